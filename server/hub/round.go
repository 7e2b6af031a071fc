package hub

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// A change is something that takes its place in the order of all: a message, a
// member who comes or goes.
type change interface {
	// plan checks the change at its place in the round, where all earlier ones
	// are done, and notes what it commits. It must change nothing but the round.
	plan(r *round) error
	// apply makes a committed change visible and tells whoever is concerned.
	apply(r *round)
}

// A round is a number of changes that are committed together: that is what
// makes each of them durable at a small cost. mu is held while it plans and
// applies, not while it commits.
type round struct {
	h       *Hub
	now     time.Time
	records []Record

	// The state at the place of the change that is being planned, where it
	// differs from the hub's.
	members   map[*group]members
	sanctions map[sanctioned]Sanction
	passwords map[*group]int // how many more changes of it there were
	made      map[string]*group
	opened    map[pair]*conversation
	numbers   map[*conversation]int64
	deleted   map[int64]bool
	dropped   map[*group]bool
	used      map[use]bool
	spending  map[int64]int // tokens by account
	messages  int64         // given numbers
	convs     int64         // given ids

	from    *Session // whose change is being applied
	done    func(error)
	speaker *Session // whose changes were answered; the first one
	several bool     // sessions were answered
}

// run is the round's goroutine.
func (h *Hub) run(ctx context.Context) {
	defer close(h.ended)
	for {
		for len(h.owed) > 0 && !h.rounds.filledWithin(time.Until(h.owed[0].due)) {
			h.settle(time.Now())
		}
		changes := h.rounds.take(h.turn)
		if changes == nil {
			h.settle(forever)
			return
		}
		r, err := h.commit(ctx, changes)
		h.settle(r.finish(changes))
		if errors.Is(err, ErrInDoubt) {
			h.settle(forever)
			h.giveUp(err)
			return
		}
	}
}

// An owing is a session with an answer that is queued and not being written yet.
type owing struct {
	session *Session
	due     time.Time
}

// forever is later than whatever is due.
var forever = time.Unix(1<<40, 0)

// settle has those answers written that are due, and forgets those that were
// written with something else.
func (h *Hub) settle(now time.Time) {
	done := 0
	for _, o := range h.owed {
		if o.session.owed && now.Before(o.due) {
			break
		}
		done++
		if o.session.owed {
			o.session.owed = false
			o.session.at.Out.Flush()
		}
	}
	h.owed = slices.Delete(h.owed, 0, done)
}

// giveUp ends the rounds: what is on the disk is not known any more.
func (h *Hub) giveUp(err error) {
	h.rounds.close()
	for changes := h.rounds.take(h.turn); changes != nil; changes = h.rounds.take(h.turn) {
		refuse(changes, ErrClosed)
		r := &round{h: h}
		r.finish(changes)
		h.settle(forever)
	}
	if h.fail != nil {
		h.fail(err)
	}
}

// commit plans the changes and makes those durable that nothing speaks
// against. Afterwards each one has its result.
func (h *Hub) commit(ctx context.Context, changes []*handed) (*round, error) {
	for {
		r := h.plan(changes)
		if len(r.records) == 0 {
			return r, nil
		}
		err := h.store.Commit(ctx, r.records)
		if err == nil {
			h.lastMessage += r.messages
			h.lastConversation += r.convs
			return r, nil
		}
		if taken, ok := errors.AsType[*TakenError](err); ok && refuseTaken(changes, taken.Group) {
			continue // the others may be committed without it
		}
		h.log.Error("round not committed", "changes", len(changes), "err", err)
		refuse(changes, err)
		return r, err
	}
}

// refuse gives all changes of a round the same result. One that was refused by
// itself may owe that to an earlier one that has not come about.
func refuse(changes []*handed, err error) {
	for _, c := range changes {
		c.err = err
	}
}

// refuseTaken gives the change that makes a group its refusal.
func refuseTaken(changes []*handed, id int64) bool {
	for _, c := range changes {
		if names, ok := c.change.(interface{ named() int64 }); ok && c.err == nil && names.named() == id {
			c.taken = true
			return true
		}
	}
	return false
}

func (h *Hub) plan(changes []*handed) *round {
	r := &round{
		h: h, now: time.Now().UTC().Truncate(time.Millisecond),
		members: map[*group]members{}, sanctions: map[sanctioned]Sanction{}, passwords: map[*group]int{},
		made: map[string]*group{}, opened: map[pair]*conversation{},
		numbers: map[*conversation]int64{},
		deleted: map[int64]bool{}, dropped: map[*group]bool{},
		used: map[use]bool{}, spending: map[int64]int{},
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range changes {
		// An earlier plan's result counts for nothing: it may rest on a group
		// that is not made after all.
		if c.err = ErrNameTaken; !c.taken {
			c.err = c.change.plan(r)
		}
	}
	return r
}

// finish applies the committed changes, answers all of them, and has what they
// said written: but an answer alone to one of several sessions is left in the
// hub's owed, to go out with what else is said to that session. It returns the
// time at which it was done.
func (r *round) finish(changes []*handed) (now time.Time) {
	r.h.mu.Lock()
	for _, c := range changes {
		r.from, r.done = c.from, c.done
		if c.err == nil {
			c.change.apply(r)
		}
		r.answer(c.err)
	}
	r.h.mu.Unlock()
	now = time.Now()
	for _, s := range r.h.touched {
		switch {
		case s.told || !r.several:
			s.owed = false
			s.at.Out.Flush()
		case !s.owed:
			s.owed = true
			r.h.owed = append(r.h.owed, owing{s, now.Add(answerTime)})
		}
		s.touched, s.told = false, false
	}
	clear(r.h.touched)
	r.h.touched = r.h.touched[:0]
	return now
}

// answer gives the change that is being applied its result; apply calls it
// itself where an event must follow the answer.
func (r *round) answer(err error) {
	if r.done == nil {
		return
	}
	r.done(err)
	r.done = nil
	if s := r.from; s != nil && s.at.Out != nil {
		if r.speaker == nil {
			r.speaker = s
		}
		r.several = r.several || s != r.speaker
		r.touch(s)
	}
}

// touch has a session's outbox flushed after the round.
func (r *round) touch(s *Session) {
	if !s.touched {
		s.touched = true
		r.h.touched = append(r.h.touched, s)
	}
}

// gone says whether an account is deleted at this place.
func (r *round) gone(account int64) bool { return r.deleted[account] || r.h.deleted[account] }

// group finds a group at this place.
func (r *round) group(name string) (*group, error) {
	g := r.made[key(name)]
	if g == nil {
		g = r.h.named[key(name)]
	}
	if g == nil || r.dropped[g] {
		return nil, ErrNoGroup
	}
	return g, nil
}

// of returns the members of a group at this place. The set never changes.
func (r *round) of(g *group) members {
	if set, ok := r.members[g]; ok {
		return set
	}
	return g.members
}

// change returns a copy of them that counts from here on. Only the change that
// is being planned may write to it.
func (r *round) change(g *group) members {
	set := maps.Clone(r.of(g))
	if set == nil {
		set = members{}
	}
	r.members[g] = set
	return set
}

// private finds or opens the conversation of two accounts.
func (r *round) private(p pair) *conversation {
	if c := r.h.privates[p]; c != nil {
		return c
	}
	c := r.opened[p]
	if c == nil {
		c = &conversation{id: r.nextConversation()}
		r.opened[p] = c
		r.records = append(r.records, RecordPrivate{ID: c.id, A: p.a, B: p.b})
	}
	return c
}

func (r *round) nextConversation() int64 {
	r.convs++
	return r.h.lastConversation + r.convs
}

// message numbers a message and has it kept.
func (r *round) message(c *conversation, from Account, text string) Message {
	number, planned := r.numbers[c]
	if !planned {
		number = c.last
	}
	number++
	r.numbers[c] = number
	r.messages++
	m := Message{
		ID: r.h.lastMessage + r.messages, Conversation: c.id, Number: number,
		Time: r.now, Kind: Text, From: from, Text: text,
	}
	r.records = append(r.records, RecordMessage{
		ID: m.ID, Conversation: c.id, Number: number,
		Time: m.Time, Kind: Text, From: from.ID, Text: text,
	})
	return m
}

// tellGroup gives an event to the members of a group. If it is a message that is
// kept, it is noted how far they were sent the conversation.
func (r *round) tellGroup(g *group, e *Event) {
	for _, l := range r.h.audience(g) {
		at := l.at
		if e.Number == 0 {
			at = nil
		}
		r.tellPerson(l.person, e, at)
	}
}

// tell gives an event to an account, and notes that it was sent a message of the
// conversation c, unless that is nil.
func (r *round) tell(account int64, e *Event, c *conversation) {
	p := r.h.people[account]
	if p == nil || p.listening == 0 {
		return
	}
	var at *reading
	if c != nil {
		at = p.reading(c.id)
	}
	r.tellPerson(p, e, at)
}

// tellPerson gives an event to the sessions of a person, and notes in at, unless
// that is nil, that they were sent it.
func (r *round) tellPerson(p *person, e *Event, at *reading) {
	for _, s := range p.sessions {
		if !s.listens {
			continue
		}
		end := int64(0)
		if s != r.from || e.toSelf() {
			if end = r.send(s, e); end == 0 {
				continue
			}
		}
		if at != nil {
			at.sentTo(s, e.Number-1, e.Number, end)
		}
	}
}

// toSelf says whether the event is for the very session that caused it, too.
func (e *Event) toSelf() bool { return e.What == SaidPrivately && e.From.ID == e.recipient }

// send appends an event to a session's outbox.
func (r *round) send(s *Session, e *Event) (end int64) {
	text := e.wordsFor(s.at.Front)
	if len(text) == 0 {
		return 0
	}
	r.touch(s)
	s.told = true
	r.h.totals.Deliveries++
	return s.at.Out.Append(text)
}
