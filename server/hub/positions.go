package hub

import (
	"math"
	"slices"
)

// How far an account has read in a conversation is one number: everything up to
// it has been received by one of its sessions. What was sent to a session moves
// it only once the session has shown that it received it, by a command that
// came later or by a clean end. Until then there is a stretch.

// A reading is how far an account has read in one conversation.
type reading struct {
	read  int64 // everything up to this number was received
	dirty bool  // it is not stored yet
	sent  []stretch
}

// A stretch is a part of a conversation, after < number <= last, that was sent
// to a session, of which there is at most one in a reading.
type stretch struct {
	session     *Session
	after, last int64
	end         int64 // where it ends in the session's outbox
}

// everything lies behind whatever was sent.
const everything = math.MaxInt64

// reading returns how far the account has read in a conversation.
func (p *person) reading(conversation int64) *reading {
	r := p.readings[conversation]
	if r == nil {
		r = &reading{}
		p.read(conversation, r)
	}
	return r
}

// read says how far the account has read in a conversation. Most of those who
// have just logged in have read in none.
func (p *person) read(conversation int64, r *reading) {
	if p.readings == nil {
		p.readings = map[int64]*reading{}
	}
	p.readings[conversation] = r
}

// changed returns the read positions that are not stored yet, and counts them
// as stored.
func (p *person) changed() map[int64]int64 {
	positions := map[int64]int64{}
	for conversation, r := range p.readings {
		if r.dirty {
			positions[conversation], r.dirty = r.read, false
		}
	}
	return positions
}

// top is how far the account's sessions were sent the conversation without a
// gap.
func (r *reading) top() int64 {
	top := r.read
	for moved := true; moved; {
		moved = false
		for _, part := range r.sent {
			if part.after <= top && top < part.last {
				top, moved = part.last, true
			}
		}
	}
	return top
}

func (r *reading) of(s *Session) int {
	return slices.IndexFunc(r.sent, func(part stretch) bool { return part.session == s })
}

// sentTo notes that a session was sent the numbers after < number <= last. What
// lies before a gap is forgotten: it may be repeated.
func (r *reading) sentTo(s *Session, after, last, end int64) {
	i := r.of(s)
	if i < 0 {
		r.sent = append(r.sent, stretch{s, after, last, end})
		s.unsure = append(s.unsure, r)
		return
	}
	part := &r.sent[i]
	if part.last >= after {
		after = min(after, part.after)
	}
	*part = stretch{s, after, last, max(end, part.end)}
}

// Heard notes that a command came: the client has received what was written to
// it before, up to that place in its outbox. What Check gave counts as written,
// so that a command that came before its end is none to call Heard for.
func (s *Session) Heard(written int64) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.received(written)
}

// received moves the account's read positions over what the client has, up to a
// place in its outbox. A stretch behind a gap waits until the gap is closed.
func (s *Session) received(written int64) {
	s.unsure = slices.DeleteFunc(s.unsure, func(r *reading) bool {
		i := r.of(s)
		part := r.sent[i]
		if part.end > written || part.after > r.read {
			return false
		}
		if part.last > r.read {
			r.read, r.dirty = part.last, true
		}
		r.sent = slices.Delete(r.sent, i, i+1)
		return true
	})
}

// forget drops what nobody knows to have reached the session's client.
func (s *Session) forget() {
	for _, r := range s.unsure {
		i := r.of(s)
		r.sent = slices.Delete(r.sent, i, i+1)
	}
	s.unsure = nil
}
