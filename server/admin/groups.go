package admin

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"posko/server/account"
	"posko/server/hub"
	"posko/server/line"
)

func (s *session) addGroup(ctx context.Context, c *line.Call) error {
	name := c.Arg(0)
	if !account.ValidName(name) {
		return errName
	}
	owner, err := s.account(ctx, c.Arg(1))
	if err != nil {
		return err
	}
	hash, err := s.Accounts.HashGroup(ctx, c.Arg(2))
	if err != nil {
		return err
	}
	who := hub.Account{ID: owner.ID, Name: owner.Name, Admin: owner.Admin}
	if err := s.Hub.CreateGroup(name, hash, who); err != nil {
		return s.changed(owner.Name, err)
	}
	s.log.Info("group added", "group", name, "owner", owner.Name)
	return nil
}

func (s *session) groupPassword(ctx context.Context, c *line.Call) error {
	g, err := s.group(c.Arg(0))
	if err != nil {
		return err
	}
	hash, err := s.Accounts.HashGroup(ctx, c.Arg(1))
	if err != nil {
		return err
	}
	if err := s.Hub.SetGroupPassword(g.Name, hash); err != nil {
		return s.changed(g.Name, err)
	}
	s.log.Info("password of a group changed", "group", g.Name)
	return nil
}

func (s *session) dropGroup(_ context.Context, c *line.Call) error {
	g, err := s.group(c.Arg(0))
	if err != nil {
		return err
	}
	if err := s.Hub.DropGroup(g.Name); err != nil {
		return s.changed(g.Name, err)
	}
	s.log.Info("group dropped", "group", g.Name)
	return nil
}

func (s *session) listDropped(_ context.Context, c *line.Call) error {
	var rows []string
	for _, g := range s.Hub.Dropped() {
		rows = append(rows, strings.Join([]string{strconv.FormatInt(g.ID, 10), g.Name, stamp(g.At), stamp(g.Kept)}, "\t"))
	}
	c.Lines(rows)
	return nil
}

func (s *session) restoreGroup(_ context.Context, c *line.Call) error {
	id, err := strconv.ParseInt(c.Arg(0), 10, 64)
	if err == nil {
		err = s.Hub.RestoreGroup(id)
	} else {
		err = hub.ErrNoGroup
	}
	if errors.Is(err, hub.ErrNoGroup) {
		return noDropped(c.Arg(0))
	}
	if err != nil {
		return err
	}
	s.log.Info("group restored", "id", id)
	return nil
}

func (s *session) listGroups(_ context.Context, c *line.Call) error {
	var rows []string
	for _, g := range s.Hub.Groups() {
		members, err := s.Hub.Members(g.Name)
		if err != nil {
			continue // dropped meanwhile
		}
		rows = append(rows, strings.Join([]string{
			g.Name, ownerOf(members), strconv.Itoa(len(members)),
			strconv.FormatInt(g.Last, 10), stamp(g.Created),
		}, "\t"))
	}
	c.Lines(rows)
	return nil
}

func ownerOf(members []hub.Membership) string {
	for _, m := range members {
		if m.Role == hub.Owner {
			return m.Account.Name
		}
	}
	return none
}

// shownActs is how many acts GROUPSHOW shows.
const shownActs = 50

func (s *session) showGroup(ctx context.Context, c *line.Call) error {
	g, err := s.group(c.Arg(0))
	if err != nil {
		return err
	}
	members, err := s.Hub.Members(g.Name)
	if err != nil {
		return s.changed(g.Name, err)
	}
	sanctions, err := s.Hub.Sanctions(g.Name)
	if err != nil {
		return s.changed(g.Name, err)
	}
	acts, err := s.Hub.Acts(ctx, g.ID, shownActs)
	if err != nil {
		return err
	}
	rows := []string{
		column("name", "%s", g.Name),
		column("made", "%s", stamp(g.Created)),
		column("messages", "%d", g.Last),
	}
	if g.Topic != "" {
		rows = append(rows, column("topic", "%s", g.Topic))
	}
	for _, m := range members {
		rows = append(rows, column(roleWord(m.Role), "%s (%s)", m.Account.Name, choose(m.Online, online, offline)))
	}
	for _, not := range sanctions {
		if not.Sanction&hub.Banned != 0 {
			rows = append(rows, column(banned, "%s", not.Account.Name))
		}
		if not.Sanction&hub.Muted != 0 {
			rows = append(rows, column(muted, "%s", not.Account.Name))
		}
	}
	for _, act := range acts {
		rows = append(rows, column(done, "%s %s", stamp(act.Time), actWords(act)))
	}
	c.Lines(rows)
	return nil
}

// actWords says who did what to whom.
func actWords(a hub.Act) string {
	by := a.By
	if by == "" {
		by = operatorOfServer
	}
	verb := actVerbs[a.Action]
	if a.Action == hub.SetTopic && a.Text == "" {
		verb = actNoTopic
	}
	text := by + " " + verb
	for _, more := range []string{a.Target, a.Text} {
		if more != "" {
			text += " " + more
		}
	}
	return text
}

func roleWord(r hub.Role) string {
	switch r {
	case hub.Owner:
		return roleOwner
	case hub.Operator:
		return roleOperator
	}
	return roleMember
}
