package hub

import (
	"context"
	"errors"
	"unicode/utf8"
)

// MaxTopic is the greatest length of a group's topic, in characters.
const MaxTopic = 300

// Whoever acts in a group outranks whom that is done to: an owner everybody
// else, an operator plain members and those who are no members. So nobody acts
// on himself, nobody on the owner, and no operator on another.

// A rule says who may do something, and to whom.
type rule struct {
	least   Role
	members bool // to members alone
}

var rules = map[Action]rule{
	Promote: {Owner, true}, Demote: {Owner, true},
	Kick: {Operator, true}, Mute: {Operator, true},
	Ban: {Operator, false}, Unban: {Operator, false}, Unmute: {Operator, false},
	SetPassword: {least: Operator}, SetTopic: {least: Operator},
	CloseFolder: {least: Operator}, OpenFolder: {least: Operator},
	HidePast: {least: Operator}, ShowPast: {least: Operator},
	Drop: {least: Owner},
}

// standing is an account's own in a group: its role, 0 if it is no member, and
// what it may not do.
type standing struct {
	role Role
	not  Sanction
}

// after is the standing that an action gives. An action that was done already
// changes nothing.
func (s standing) after(action Action) standing {
	switch action {
	case Promote:
		s.role = Operator
	case Demote:
		s.role = Member
	case Kick:
		s.role = 0
	case Ban:
		s = standing{0, s.not | Banned}
	case Unban:
		s.not &^= Banned
	case Mute:
		s.not |= Muted
	case Unmute:
		s.not &^= Muted
	}
	return s
}

// mute says whether the account may not send to the group. An owner may have
// inherited it muted.
func (s standing) mute() bool { return s.not&Muted != 0 && s.role < Owner }

// standing is an account's as things are. mu is held.
func (g *group) standing(account int64) standing {
	return standing{g.members[account].Role, g.sanctions[account].Sanction}
}

// standing is an account's at this place.
func (r *round) standing(g *group, account int64) standing {
	not, planned := r.sanctions[sanctioned{g, account}]
	if !planned {
		not = g.sanctions[account].Sanction
	}
	return standing{r.of(g)[account].Role, not}
}

// sanctioned names what one account may not do in one group.
type sanctioned struct {
	group   *group
	account int64
}

// managed finds a group in which somebody may do something at this place. It
// returns ErrNoGroup, ErrNotMember or ErrDenied; the last two never for an
// operator of the server, who is nobody.
func (r *round) managed(name string, by Account, action Action) (*group, error) {
	g, err := r.group(name)
	if err != nil || by == (Account{}) {
		return g, err
	}
	return g, may(r.of(g)[by.ID].Role, action)
}

// may returns nil if a member with this role, or 0 for no member, may do
// something in a group; else ErrNotMember or ErrDenied.
func may(role Role, action Action) error {
	switch {
	case role == 0:
		return ErrNotMember
	case role < rules[action].least:
		return ErrDenied
	}
	return nil
}

// act has an action remembered.
func (r *round) act(g *group, by Account, action Action, target Account, text string) {
	r.records = append(r.records, RecordAct{
		Group: g.id, Time: r.now, By: by.ID, Action: action, Target: target.ID, Text: text,
	})
}

// tellAct tells the members of a group what was done in it.
func (r *round) tellAct(g *group, by Account, action Action, target, text string) *Event {
	e := &Event{What: Acted, Action: action, Message: Message{
		Time: r.now, From: by, Group: g.name, To: target, Text: text,
	}}
	r.tellGroup(g, e)
	return e
}

// moderation is what a member does to an account.
type moderation struct {
	name   string
	by     Account
	action Action
	target Account // the zero Account if there is no such one

	group       *group
	set         members
	was, become standing
}

// Moderate does something to an account in a group: Promote to Unmute. What is
// so already is no error, and nobody is told. It returns ErrNoGroup,
// ErrNotMember, ErrDenied, ErrNoAccount or, for an account that would have to be
// a member, ErrNoTarget.
func (s *Session) Moderate(ctx context.Context, action Action, group, target string) error {
	// Who has the name is asked beforehand: a round doesn't wait for the disk.
	found, err := s.hub.store.AccountByName(ctx, key(target))
	if err != nil && !errors.Is(err, ErrNoAccount) {
		return err
	}
	return s.hub.do(&moderation{name: group, by: s.at.Account, action: action, target: found}, s)
}

func (m *moderation) plan(r *round) (err error) {
	if m.group, err = r.managed(m.name, m.by, m.action); err != nil {
		return err
	}
	id := m.target.ID
	m.was = r.standing(m.group, id)
	switch {
	case id == 0 || r.gone(id):
		return ErrNoAccount
	case m.was.role >= r.standing(m.group, m.by.ID).role:
		return ErrDenied
	case m.was.role == 0 && rules[m.action].members:
		return ErrNoTarget
	}
	m.become = m.was.after(m.action)
	if m.become == m.was {
		return nil
	}
	switch {
	case m.become.role == m.was.role:
	case m.become.role == 0:
		r.leave(m.group, id)
	default:
		r.join(m.group, m.target, m.become.role)
	}
	if m.become.not != m.was.not {
		r.sanctions[sanctioned{m.group, id}] = m.become.not
		r.records = append(r.records, RecordSanction{Group: m.group.id, Account: id, Sanction: m.become.not})
	}
	r.act(m.group, m.by, m.action, m.target, "")
	m.set = r.of(m.group)
	return nil
}

func (m *moderation) apply(r *round) {
	r.answer(nil)
	if m.become == m.was {
		return
	}
	id := m.target.ID
	m.group.sanctions[id] = StoredSanction{m.target, m.become.not}
	if m.become.not == 0 {
		delete(m.group.sanctions, id)
	}
	left := m.was.role != 0 && m.become.role == 0
	if left {
		r.depart(m.group, m.set, id)
	} else {
		m.group.members = m.set
	}
	e := r.tellAct(m.group, m.by, m.action, m.target.Name, "")
	if left {
		r.tell(id, e, nil)
	}
}

// setPassword replaces a group's password.
type setPassword struct {
	name, hash string
	by         Account
	group      *group
}

// SetGroupPassword replaces the password of a group by one with this hash, for
// an operator of the server. It returns ErrNoGroup.
func (h *Hub) SetGroupPassword(group, hash string) error {
	return h.do(&setPassword{name: group, hash: hash}, nil)
}

// SetGroupPassword does so for a member. It returns ErrNoGroup, ErrNotMember or
// ErrDenied.
func (s *Session) SetGroupPassword(group, hash string) error {
	return s.hub.do(&setPassword{name: group, hash: hash, by: s.at.Account}, s)
}

func (p *setPassword) plan(r *round) (err error) {
	if p.group, err = r.managed(p.name, p.by, SetPassword); err != nil {
		return err
	}
	r.passwords[p.group]++
	r.records = append(r.records, RecordGroupPassword{Group: p.group.id, Password: p.hash})
	r.act(p.group, p.by, SetPassword, Account{}, "")
	return nil
}

func (p *setPassword) apply(r *round) {
	p.group.passwords++
	r.answer(nil)
	r.tellAct(p.group, p.by, SetPassword, "", "")
}

// setTopic replaces a group's topic.
type setTopic struct {
	name, text string
	by         Account
	group      *group
}

// SetTopic replaces the topic of a group; an empty one removes it. It returns
// ErrTopic if it is longer than MaxTopic, ErrNoGroup, ErrNotMember or ErrDenied.
func (s *Session) SetTopic(group, text string) error {
	return s.hub.do(&setTopic{name: group, text: text, by: s.at.Account}, s)
}

func (t *setTopic) plan(r *round) (err error) {
	if t.group, err = r.managed(t.name, t.by, SetTopic); err != nil {
		return err
	}
	if utf8.RuneCountInString(t.text) > MaxTopic {
		return ErrTopic
	}
	r.records = append(r.records, RecordTopic{Group: t.group.id, Topic: t.text})
	r.act(t.group, t.by, SetTopic, Account{}, t.text)
	return nil
}

func (t *setTopic) apply(r *round) {
	t.group.topic = t.text
	r.answer(nil)
	r.tellAct(t.group, t.by, SetTopic, "", t.text)
}

// Topic is the topic of a group that the session's account belongs to, "" if it
// has none. It returns ErrNoGroup or ErrNotMember.
func (s *Session) Topic(group string) (string, error) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	g, err := s.member(group)
	if err != nil {
		return "", err
	}
	return g.topic, nil
}

// May returns nil if the session's account may do something in a group as
// things are, so that nothing dear is done in vain for who may not; else
// ErrNoGroup, ErrNotMember or ErrDenied.
func (s *Session) May(action Action, group string) error {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	g, err := s.member(group)
	if err != nil {
		return err
	}
	return may(g.members[s.at.Account.ID].Role, action)
}
