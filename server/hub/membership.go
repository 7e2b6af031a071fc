package hub

import (
	"maps"
	"slices"
	"time"
)

// createGroup makes a group that its owner belongs to.
type createGroup struct {
	name, password string
	owner          Account
	group          *group
	set            members
}

// CreateGroup makes a group. The password is its hash. It returns ErrNameTaken
// if an account or a group has that name or one that looks like it.
func (h *Hub) CreateGroup(name, password string, owner Account) error {
	return h.do(&createGroup{name: name, password: password, owner: owner}, nil)
}

func (c *createGroup) named() int64 { return c.group.id }

func (c *createGroup) plan(r *round) error {
	if _, err := r.group(c.name); err == nil {
		return ErrNameTaken
	}
	if r.gone(c.owner.ID) {
		return ErrNoAccount
	}
	c.group = newGroup(r.nextConversation(), c.name, r.now)
	r.made[key(c.name)] = c.group
	r.records = append(r.records, RecordGroup{ID: c.group.id, Name: c.name, Password: c.password, Time: r.now})
	r.join(c.group, c.owner, Owner)
	c.set = r.of(c.group)
	return nil
}

func (c *createGroup) apply(r *round) {
	c.group.members = c.set
	r.h.addGroup(c.group)
}

// join adds a member to a group of the round, or gives one another role.
func (r *round) join(g *group, who Account, role Role) {
	set := r.change(g)
	position, planned := r.numbers[&g.conversation]
	if !planned {
		position = g.last
	}
	m, already := set[who.ID]
	if !already {
		m = StoredMember{Account: who, Joined: r.now, Since: position}
	}
	m.Role = role
	set[who.ID] = m
	r.records = append(r.records, RecordJoin{
		Group: g.id, Account: who.ID, Role: role, Time: m.Joined, Position: position,
	})
}

// leave removes a member from a group of the round. An owner who leaves is
// followed by the longest-serving operator, else by the longest-serving member.
func (r *round) leave(g *group, account int64) {
	set := r.change(g)
	left := set[account]
	delete(set, account)
	r.records = append(r.records, RecordLeave{Group: g.id, Account: account})
	if left.Role != Owner {
		return
	}
	var heir StoredMember
	for _, m := range set {
		if heir.Role < m.Role || heir.Role == m.Role && m.before(heir) {
			heir = m
		}
	}
	if heir.Role != 0 {
		r.join(g, heir.Account, Owner)
	}
}

func (m StoredMember) before(other StoredMember) bool {
	if m.Joined.Equal(other.Joined) {
		return m.Account.ID < other.Account.ID
	}
	return m.Joined.Before(other.Joined)
}

// An Entrance is a group that an account may join once it has shown to know the
// password.
type Entrance struct {
	Group     int64
	passwords int // how often it had been changed
}

// join is an account's coming to a group.
type join struct {
	id        int64
	who       Account
	passwords *int // as in an Entrance; nil without a password
	group     *group
	set       members
}

// Join makes an account a member of the group id, without a password. It returns
// ErrNoGroup, ErrMember or, for who is banned, ErrDenied. The first member of an
// empty group becomes its owner.
func (h *Hub) Join(id int64, who Account) error { return h.do(&join{id: id, who: who}, nil) }

// Join hands in that the session's account becomes a member of a group, whose
// password was checked after Joinable had returned the entrance. done gets what
// Hub.Join returns, or ErrChanged if the password was changed meanwhile. The
// topic comes behind the answer.
func (s *Session) Join(at Entrance, done func(error)) {
	s.hub.rounds.awaitRoom()
	s.hub.hand(&join{id: at.Group, who: s.at.Account, passwords: &at.passwords}, s, "", done)
}

func (j *join) plan(r *round) error {
	j.group = r.h.groups[j.id]
	if j.group == nil || r.dropped[j.group] {
		return ErrNoGroup
	}
	set := r.of(j.group)
	if _, ok := set[j.who.ID]; ok {
		return ErrMember
	}
	switch {
	case r.gone(j.who.ID):
		return ErrNoAccount
	case r.standing(j.group, j.who.ID).not&Banned != 0:
		return ErrDenied
	case j.passwords != nil && *j.passwords != j.group.passwords+r.passwords[j.group]:
		return ErrChanged
	}
	role := Member
	if len(set) == 0 {
		role = Owner
	}
	r.join(j.group, j.who, role)
	j.set = r.of(j.group)
	return nil
}

func (j *join) apply(r *round) {
	j.group.members = j.set
	r.h.enter(j.who.ID, j.group)
	if p := r.h.people[j.who.ID]; p != nil {
		p.read(j.group.id, &reading{read: j.group.last})
	}
	r.answer(nil)
	if r.from != nil && r.from.listens && j.group.topic != "" {
		r.send(r.from, &Event{What: ShowTopic, Message: Message{Group: j.group.name, Text: j.group.topic}})
	}
	r.announce(j.group, Joined, j.who)
}

// announce tells the members of a group what happened in it.
func (r *round) announce(g *group, what What, who Account) {
	e := &Event{What: what, Message: Message{Time: r.now, From: who, Group: g.name}}
	r.tellGroup(g, e)
}

// leave is an account's going.
type leave struct {
	name  string
	who   Account
	group *group
	set   members
}

// Leave ends the membership of an account. It returns ErrNoGroup or
// ErrNotMember. from is the session that asked for it, or nil.
func (h *Hub) Leave(name string, who Account, from *Session) error {
	return h.do(&leave{name: name, who: who}, from)
}

func (l *leave) plan(r *round) (err error) {
	if l.group, err = r.group(l.name); err != nil {
		return err
	}
	if _, ok := r.of(l.group)[l.who.ID]; !ok {
		return ErrNotMember
	}
	r.leave(l.group, l.who.ID)
	l.set = r.of(l.group)
	return nil
}

func (l *leave) apply(r *round) {
	r.depart(l.group, l.set, l.who.ID)
	r.answer(nil)
	r.announce(l.group, Left, l.who)
}

// depart makes it visible that an account is no longer in a group.
func (r *round) depart(g *group, set members, account int64) {
	g.members = set
	r.h.exit(account, g)
	if p := r.h.people[account]; p != nil {
		delete(p.readings, g.id)
	}
}

// dropGroup is a group's end.
type dropGroup struct {
	name  string
	by    Account
	group *group
}

// DropGroup puts a group into the trash, for an operator of the server; its name
// is free at once. It returns ErrNoGroup.
func (h *Hub) DropGroup(name string) error { return h.do(&dropGroup{name: name}, nil) }

// DropGroup does so for the group's owner. It returns ErrNoGroup, ErrNotMember
// or ErrDenied.
func (s *Session) DropGroup(name string) error {
	return s.hub.do(&dropGroup{name: name, by: s.at.Account}, s)
}

func (d *dropGroup) plan(r *round) (err error) {
	if d.group, err = r.managed(d.name, d.by, Drop); err != nil {
		return err
	}
	r.dropped[d.group] = true
	r.records = append(r.records, RecordDropGroup{Group: d.group.id, Time: r.now})
	r.act(d.group, d.by, Drop, Account{}, "")
	return nil
}

func (d *dropGroup) apply(r *round) {
	r.answer(nil)
	r.tellAct(d.group, d.by, Drop, "", "")
	for id := range d.group.members {
		r.h.exit(id, d.group)
	}
	d.group.dropped = r.now
	r.h.trash[d.group.id] = d.group
	delete(r.h.groups, d.group.id)
	if name := key(d.group.name); r.h.named[name] == d.group {
		delete(r.h.named, name)
	}
}

// deleteAccount is an account's end.
type deleteAccount struct {
	who     Account
	parting []parting
}

// A parting is a group that the account was in.
type parting struct {
	group *group
	set   members
}

// DeleteAccount deletes an account: its memberships end and its name is free.
// Afterwards its sessions are ended. What it wrote stays. It returns
// ErrNoAccount if that has been done since the start.
func (h *Hub) DeleteAccount(who Account) error {
	if err := h.do(&deleteAccount{who: who}, nil); err != nil {
		return err
	}
	h.End(who.ID, nil, AccountDeleted)
	return nil
}

func (d *deleteAccount) plan(r *round) error {
	d.parting = nil
	id := d.who.ID
	if r.gone(id) {
		return ErrNoAccount
	}
	for _, g := range r.groupsOf(id) {
		if _, ok := r.of(g)[id]; ok {
			r.leave(g, id)
			d.parting = append(d.parting, parting{g, r.of(g)})
		}
	}
	r.deleted[id] = true
	r.records = append(r.records, RecordDeleteAccount{Account: id, Time: r.now})
	return nil
}

// groupsOf are the groups that an account may belong to at this place, those in
// the trash too; some of them twice.
func (r *round) groupsOf(account int64) []*group {
	all := slices.Collect(maps.Values(r.h.joined[account]))
	all = slices.AppendSeq(all, maps.Keys(r.members))
	return slices.AppendSeq(all, maps.Values(r.h.trash))
}

func (d *deleteAccount) apply(r *round) {
	r.h.deleted[d.who.ID] = true
	delete(r.h.spent, d.who.ID)
	if p := r.h.people[d.who.ID]; p != nil {
		r.h.unname(p)
	}
	for _, part := range d.parting {
		r.depart(part.group, part.set, d.who.ID)
		if part.group.dropped.IsZero() {
			r.announce(part.group, Left, d.who)
		}
	}
	for _, groups := range []map[int64]*group{r.h.groups, r.h.trash} {
		for _, g := range groups {
			delete(g.sanctions, d.who.ID)
		}
	}
}

// A Membership is a member of a group, as it is shown.
type Membership struct {
	Account Account
	Role    Role
	Joined  time.Time
	Online  bool
}
