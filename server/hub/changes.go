package hub

import "time"

// privateMessage is a message to one account.
type privateMessage struct {
	from     Account
	to, text string
	once     once

	talk *conversation // nil if private messages are not kept
	said Event
}

// Send hands in a private message. done gets ErrOffline if there is no such
// account, or if it has no session that is told events. A token, unless it is
// "", makes sure that the account says nothing twice with it: done then gets nil
// the second time as well.
func (s *Session) Send(to, text, token string, done func(error)) {
	s.hub.hand(&privateMessage{from: s.at.Account, to: to, text: text, once: once{token: token}}, s, text, done)
}

func (m *privateMessage) plan(r *round) error {
	if r.gone(m.from.ID) {
		return ErrNoAccount
	}
	if m.once.repeats(r, m.from.ID) {
		return nil
	}
	p := r.h.byName[key(m.to)]
	switch {
	case p == nil || r.gone(p.account.ID):
		return ErrOffline
	}
	m.talk, m.said = nil, Event{What: SaidPrivately, recipient: p.account.ID}
	if r.h.settings.Load().PrivateHistory {
		m.talk = r.private(pairOf(m.from.ID, m.said.recipient))
		m.said.Message = r.message(m.talk, m.from, m.text)
	} else {
		m.said.Message = Message{Time: r.now, Kind: Text, From: m.from, Text: m.text}
	}
	m.said.To = p.account.Name
	m.once.plan(r, m.from.ID, m.talk != nil)
	return nil
}

func (m *privateMessage) apply(r *round) {
	if m.once.repeated {
		m.once.repeat(r, m.from.ID)
		return
	}
	if m.talk == nil && !r.h.online(m.said.recipient) {
		m.once.unsaid(r, m.from.ID)
		r.answer(ErrOffline) // it has gone during the commit, and nothing is kept
		return
	}
	if m.talk != nil {
		p := pairOf(m.from.ID, m.said.recipient)
		if r.h.privates[p] == nil {
			r.h.addPrivate(p, m.talk)
		}
		m.talk.last = m.said.Number
	}
	m.once.apply(r, m.from.ID)
	r.h.totals.Private++
	r.answer(nil)
	r.tell(m.from.ID, &m.said, m.talk)
	if m.said.recipient != m.from.ID {
		r.tell(m.said.recipient, &m.said, m.talk)
	}
}

// groupMessage is a message to the members of a group.
type groupMessage struct {
	from       Account
	name, text string
	once       once

	group *group
	said  Event
}

// SendGroup hands in a message to a group, with a token as for Send. done gets
// ErrNoGroup, ErrNotMember or, for who is muted, ErrDenied.
func (s *Session) SendGroup(group, text, token string, done func(error)) {
	s.hub.hand(&groupMessage{from: s.at.Account, name: group, text: text, once: once{token: token}}, s, text, done)
}

func (m *groupMessage) plan(r *round) (err error) {
	if m.once.repeats(r, m.from.ID) {
		return nil
	}
	if m.group, err = r.group(m.name); err != nil {
		return err
	}
	switch is := r.standing(m.group, m.from.ID); {
	case is.role == 0:
		return ErrNotMember
	case is.mute():
		return ErrDenied
	}
	m.said = Event{What: SaidInGroup, Message: r.message(&m.group.conversation, m.from, m.text)}
	m.said.Group = m.group.name
	m.once.plan(r, m.from.ID, true)
	return nil
}

func (m *groupMessage) apply(r *round) {
	if m.once.repeated {
		m.once.repeat(r, m.from.ID)
		return
	}
	m.once.apply(r, m.from.ID)
	m.group.last = m.said.Number
	r.h.totals.Group++
	r.answer(nil)
	r.tellGroup(m.group, &m.said)
}

// broadcast is a message to everybody who is connected. It is not kept.
type broadcast struct {
	from Account
	text string
	now  time.Time
}

// Broadcast hands in a message to everybody who is connected. done gets
// ErrDenied unless the account is an administrator.
func (s *Session) Broadcast(text string, done func(error)) {
	s.hub.hand(&broadcast{from: s.at.Account, text: text}, s, text, done)
}

func (b *broadcast) plan(r *round) error {
	p := r.h.people[b.from.ID]
	if p == nil || !p.account.Admin || r.gone(b.from.ID) {
		return ErrDenied
	}
	b.now = r.now
	return nil
}

func (b *broadcast) apply(r *round) {
	r.h.totals.Broadcasts++
	r.answer(nil)
	e := &Event{What: SaidToAll, Message: Message{Time: b.now, From: b.from, Text: b.text}}
	for id := range r.h.people {
		r.tell(id, e, nil)
	}
}
