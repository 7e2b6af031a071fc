package hub

import (
	"context"
	"slices"
	"time"
)

// A Reason says why a session is ended from outside.
type Reason int

// The reasons.
const (
	AccountDeleted Reason = iota
	AccountDisabled
	PasswordChanged
)

// An Outbox is where a session's events go. Its methods neither wait nor call
// the hub.
type Outbox interface {
	// Append queues bytes that never change and returns their end in the
	// stream of what was queued; 0 if the connection is lost, and they with it.
	Append(b []byte) (end int64)
	// Written is how far in that stream the client's connection has taken
	// bytes.
	Written() int64
	// Flush has what is queued written.
	Flush()
}

// An Attachment is what a dialect gives the hub for a session.
type Attachment struct {
	Account Account
	// Front and Out are nil for a session that is told no events: one of the
	// file protocol, say.
	Front *Front
	Out   Outbox
	// End ends the session from outside. It neither waits nor calls the hub.
	End func(Reason)
}

// A Session is a connection that has logged in. Its methods may be called from
// any goroutine, until Detach.
type Session struct {
	hub    *Hub
	at     Attachment
	person *person
	unsure []*reading // where there is a stretch of this session
	gone   bool

	round, share int // how many of its changes the round has taken; the queue's
}

// A person is an account that has a session.
type person struct {
	account   Account
	sessions  []*Session
	listening int                // sessions that are told events
	readings  map[int64]*reading // by conversation
	deleted   bool
}

// Attach registers a session. Then it asks confirm whether the login still
// holds, so that neither a login nor a change of password can overlook the
// other. It returns ErrSessions if the account has as many as it may.
func (h *Hub) Attach(ctx context.Context, at Attachment, confirm func(context.Context) error) (*Session, error) {
	id := at.Account.ID
	read, err := h.store.Positions(ctx, id)
	if err != nil {
		return nil, err
	}
	s := &Session{hub: h, at: at}
	h.mu.Lock()
	p := h.people[id]
	if p == nil {
		p = &person{account: at.Account, readings: map[int64]*reading{}}
		for conversation, number := range read {
			p.reading(conversation).read = number
		}
		h.people[id] = p
		h.byName[key(at.Account.Name)] = p
	}
	if most := h.settings.Load().Sessions; most > 0 && len(p.sessions) >= most {
		h.mu.Unlock()
		return nil, ErrSessions
	}
	s.person = p
	p.sessions = append(p.sessions, s)
	if at.Front != nil {
		p.listening++
	}
	h.mu.Unlock()
	if err := confirm(ctx); err != nil {
		s.Detach(false)
		return nil, err
	}
	return s, nil
}

// Detach ends a session's part in the hub. clean says that its client has read
// all it was sent. The account's read positions are stored with its last
// session.
func (s *Session) Detach(clean bool) {
	h := s.hub
	h.mu.Lock()
	if s.gone {
		h.mu.Unlock()
		return
	}
	s.gone = true
	if clean {
		s.received(everything)
	}
	s.forget()
	p := s.person
	p.sessions = slices.DeleteFunc(p.sessions, func(other *Session) bool { return other == s })
	if s.at.Front != nil {
		p.listening--
	}
	positions := p.changed()
	h.mu.Unlock()
	// The person stays known until its positions are stored: who logs in
	// meanwhile goes on with them.
	h.save(p.account.ID, positions)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(p.sessions) == 0 && h.people[p.account.ID] == p {
		delete(h.people, p.account.ID)
		if name := key(p.account.Name); h.byName[name] == p {
			delete(h.byName, name)
		}
	}
}

// saveTime bounds how long a session's end waits for the disk.
const saveTime = 10 * time.Second

func (h *Hub) save(account int64, positions map[int64]int64) {
	if len(positions) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), saveTime)
	defer cancel()
	if err := h.store.SavePositions(ctx, account, positions); err != nil {
		h.log.Error("read positions not stored; CHECK will repeat messages", "account", account, "err", err)
	}
}

// Account is the session's account.
func (s *Session) Account() Account { return s.at.Account }
