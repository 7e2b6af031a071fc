package hub

import "slices"

// How far an account has read in a conversation is one number: everything up to
// it has been received by one of its sessions. What was sent to a session moves
// it only once the session has shown that it received it, by a command that
// came later or by a clean end. Until then the session holds a stretch.

// A stretch is a part of a conversation, after < number <= last, that was sent
// to a session.
type stretch struct {
	conversation int64
	after, last  int64
	end          int64 // where the last one ends in the session's outbox
}

// top is how far the account's sessions were sent a conversation without a gap.
func (p *person) top(conversation int64) int64 {
	top := p.read[conversation]
	for moved := true; moved; {
		moved = false
		for _, s := range p.sessions {
			for _, part := range s.sent {
				if part.conversation == conversation && part.after <= top && top < part.last {
					top, moved = part.last, true
				}
			}
		}
	}
	return top
}

// sentTo notes that a session was sent the numbers after < number <= last.
func (s *Session) sentTo(conversation, after, last, end int64) {
	for i, part := range s.sent {
		if part.conversation == conversation {
			if part.last >= after {
				after = part.after
			}
			s.sent[i] = stretch{conversation, after, last, end}
			return
		}
	}
	s.sent = append(s.sent, stretch{conversation, after, last, end})
}

// Heard notes that a command came: the client has received what was written to
// it before.
func (s *Session) Heard() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if len(s.sent) == 0 {
		return
	}
	written := s.at.Out.Written()
	s.received(func(part stretch) bool { return part.end <= written })
}

// received moves the account's read positions over the stretches that the
// client surely has. One behind a gap waits until the gap is closed.
func (s *Session) received(surely func(stretch) bool) {
	p := s.person
	s.sent = slices.DeleteFunc(s.sent, func(part stretch) bool {
		if !surely(part) || part.after > p.read[part.conversation] {
			return false
		}
		p.setRead(part.conversation, part.last)
		return true
	})
}

// setRead moves a read position on.
func (p *person) setRead(conversation, number int64) {
	if number > p.read[conversation] {
		p.read[conversation] = number
		p.dirty[conversation] = true
	}
}

// changed returns the read positions that are not stored yet.
func (p *person) changed() map[int64]int64 {
	if p.deleted || len(p.dirty) == 0 {
		return nil
	}
	positions := make(map[int64]int64, len(p.dirty))
	for conversation := range p.dirty {
		positions[conversation] = p.read[conversation]
	}
	clear(p.dirty)
	return positions
}
