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
	CertificateRevoked
)

// An Outbox is where a session's events go. Its methods neither wait nor call
// the hub.
type Outbox interface {
	// Append queues bytes that never change and returns their end in the
	// stream of what was queued; 0 if the connection is lost, and they with it.
	Append(b []byte) (end int64)
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
	hub     *Hub
	at      Attachment
	person  *person
	unsure  []*reading // where there is a stretch of this session
	listens bool       // it is told events
	gone    bool
	touched bool // of the round's goroutine: it was told something in this round
	told    bool // likewise: more than an answer
	owed    bool // likewise: an answer waits to be written with what else is said

	round, share int // how many of its changes the round has taken; the queue's
}

// A person is an account that has a session.
type person struct {
	account   Account
	sessions  []*Session
	listening int                // sessions that are told events
	leaving   int                // sessions that have gone, but whose read positions are still being stored
	readings  map[int64]*reading // by conversation
}

// Attach registers a session. Then it asks confirm whether the login still
// holds, so that neither a login nor a change of password can overlook the
// other. The session is told events from then on. It returns ErrSessions if the
// account has as many as it may.
func (h *Hub) Attach(ctx context.Context, at Attachment, confirm func(context.Context) error) (*Session, error) {
	s, err := h.register(at)
	if err != nil {
		return nil, err
	}
	err = s.load(ctx)
	if err == nil {
		err = confirm(ctx)
	}
	if err == nil {
		err = s.listen()
	}
	if err != nil {
		s.Detach(false)
		return nil, err
	}
	return s, nil
}

// register makes a session known to those who end sessions.
func (h *Hub) register(at Attachment) (*Session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if admin, told := h.admins[at.Account.ID]; told {
		at.Account.Admin = admin
	}
	p := h.people[at.Account.ID]
	if p == nil {
		p = &person{account: at.Account}
		h.people[at.Account.ID] = p
	}
	if most := h.settings.Load().Sessions; most > 0 && len(p.sessions) >= most {
		return nil, ErrSessions
	}
	s := &Session{hub: h, at: at, person: p}
	p.sessions = append(p.sessions, s)
	return s, nil
}

// load brings in the stored read positions. As the session is registered, no
// other one's end can store later ones unseen.
func (s *Session) load(ctx context.Context) error {
	positions, err := s.hub.store.Positions(ctx, s.at.Account.ID)
	if err != nil {
		return err
	}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for conversation, number := range positions {
		r := s.person.reading(conversation)
		r.read = max(r.read, number)
	}
	return nil
}

// listen has the session told events.
func (s *Session) listen() error {
	h, p := s.hub, s.person
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.deleted[p.account.ID] {
		return ErrNoAccount
	}
	if s.at.Front != nil {
		s.listens = true
		if p.listening++; p.listening == 1 {
			h.attend(p.account.ID)
		}
		h.byName[key(p.account.Name)] = p
	}
	return nil
}

// Detach ends a session's part in the hub. clean says that its client has read
// all it was sent. The account's read positions are stored.
func (s *Session) Detach(clean bool) {
	h, p := s.hub, s.person
	h.mu.Lock()
	if s.gone {
		h.mu.Unlock()
		return
	}
	s.gone = true
	delete(h.showing, s) // which nobody may have taken
	if clean {
		s.received(everything)
	}
	s.forget()
	p.sessions = slices.DeleteFunc(p.sessions, func(other *Session) bool { return other == s })
	if s.listens {
		p.listening--
	}
	if p.listening == 0 {
		h.attend(p.account.ID)
		h.unname(p)
	}
	positions := p.changed()
	p.leaving++
	h.mu.Unlock()
	// The person stays known until its positions are stored: who logs in
	// meanwhile goes on with them.
	ctx, cancel := context.WithTimeout(context.Background(), saveTime)
	defer cancel()
	h.save(ctx, p.account.ID, positions)
	h.mu.Lock()
	defer h.mu.Unlock()
	p.leaving--
	if len(p.sessions) == 0 && p.leaving == 0 {
		delete(h.people, p.account.ID)
	}
}

// SetFront changes how the session's events are worded from now on.
func (s *Session) SetFront(f *Front) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.at.Front = f
}

// unname takes a person from those who are found by name, unless the name
// already stands for a later account.
func (h *Hub) unname(p *person) {
	if name := key(p.account.Name); h.byName[name] == p {
		delete(h.byName, name)
	}
}

// saveTime bounds how long the end of a session, or of the hub, waits for the
// disk.
const saveTime = 10 * time.Second

func (h *Hub) save(ctx context.Context, account int64, positions map[int64]int64) {
	if len(positions) == 0 {
		return
	}
	if err := h.store.SavePositions(ctx, account, positions); err != nil {
		h.log.Error("read positions not stored; CHECK will repeat messages", "account", account, "err", err)
	}
}

// Account is the session's account.
func (s *Session) Account() Account { return s.at.Account }
