package admin

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"posko/server/account"
	"posko/server/hub"
	"posko/server/line"
	"posko/server/sandbox"
)

func (s *session) addUser(ctx context.Context, c *line.Call) error {
	name := c.Arg(0)
	if !account.ValidName(name) {
		return errName
	}
	if _, err := s.Accounts.Add(ctx, name, c.Arg(1)); err != nil {
		return s.changed(name, err)
	}
	s.log.Info("account added", "account", name)
	return nil
}

func (s *session) userPassword(ctx context.Context, c *line.Call) error {
	a, err := s.account(ctx, c.Arg(0))
	if err != nil {
		return err
	}
	if _, err := s.Accounts.SetPassword(ctx, a.ID, c.Arg(1)); err != nil {
		return s.changed(a.Name, err)
	}
	s.Hub.End(a.ID, nil, hub.PasswordChanged)
	s.log.Info("password changed", "account", a.Name)
	return nil
}

func (s *session) disableUser(ctx context.Context, c *line.Call) error {
	a, err := s.account(ctx, c.Arg(0))
	if err != nil {
		return err
	}
	if _, err := s.Accounts.SetDisabled(ctx, a.ID, true); err != nil {
		return s.changed(a.Name, err)
	}
	s.Hub.End(a.ID, nil, hub.AccountDisabled)
	s.log.Info("account disabled", "account", a.Name)
	return nil
}

func (s *session) enableUser(ctx context.Context, c *line.Call) error {
	a, err := s.account(ctx, c.Arg(0))
	if err != nil {
		return err
	}
	if _, err := s.Accounts.SetDisabled(ctx, a.ID, false); err != nil {
		return s.changed(a.Name, err)
	}
	s.log.Info("account enabled", "account", a.Name)
	return nil
}

// deleteUser deletes the account first: from then on nobody can put a file
// there. What a crash leaves of the files is removed at the next start.
func (s *session) deleteUser(ctx context.Context, c *line.Call) error {
	a, err := s.account(ctx, c.Arg(0))
	if err != nil {
		return err
	}
	if err := s.Hub.DeleteAccount(hub.Account{ID: a.ID, Name: a.Name, Admin: a.Admin}); err != nil {
		return s.changed(a.Name, err)
	}
	s.log.Info("account deleted", "account", a.Name)
	if err := s.Disk.Remove(a.ID); err != nil {
		s.log.Error("files of a deleted account not removed", "account", a.Name, "id", a.ID, "err", err)
		c.Say(okUserLeftover)
	}
	return nil
}

func (s *session) setUser(ctx context.Context, c *line.Call) error {
	a, err := s.account(ctx, c.Arg(0))
	if err != nil {
		return err
	}
	old, err := s.Disk.Terms(ctx, a.ID)
	if err != nil {
		return s.changed(a.Name, err)
	}
	admin, terms := a.Admin, old
	for setting := range strings.SplitSeq(c.Arg(1), " ") {
		key, value, _ := strings.Cut(setting, "=")
		switch key {
		case "admin":
			if admin, err = strconv.ParseBool(value); err != nil {
				return errAdmin
			}
		case "files":
			i := slices.Index(accesses, value)
			if i < 0 {
				return errAccess
			}
			terms.Access = sandbox.Access(i)
		case "quota":
			if terms.Quota, err = bound(value, 0); err != nil {
				return errQuota
			}
		case "rate":
			if terms.Rate, err = bound(value, sandbox.LeastRate); err != nil {
				return errRate
			}
		default:
			return noSetting(key)
		}
	}
	if admin != a.Admin {
		if _, err := s.Accounts.SetAdmin(ctx, a.ID, admin); err != nil {
			return s.changed(a.Name, err)
		}
		s.Hub.SetAdmin(a.ID, admin)
	}
	if terms != old {
		if err := s.Disk.SetTerms(ctx, a.ID, terms); err != nil {
			return s.changed(a.Name, err)
		}
	}
	s.log.Info("account changed", "account", a.Name, "settings", c.Arg(1))
	return nil
}

// accesses are the words for each [sandbox.Access].
var accesses = []string{sandbox.FullAccess: "full", sandbox.ReadOnly: "read", sandbox.AddOnly: "upload"}

const byDefault = "default"

// bound reads a number of bytes: 0 for none, the default, or at least least.
func bound(value string, least int64) (int64, error) {
	if value == byDefault {
		return sandbox.Default, nil
	}
	n, err := strconv.ParseUint(value, 10, 63)
	if err == nil && n > 0 && int64(n) < least {
		err = strconv.ErrRange
	}
	return int64(n), err
}

func boundWords(n int64, unit string) string {
	switch n {
	case sandbox.Default:
		return byDefault
	case 0:
		return "no limit"
	}
	return strconv.FormatInt(n, 10) + unit
}

func (s *session) listUsers(ctx context.Context, c *line.Call) error {
	all, err := s.Accounts.List(ctx)
	if err != nil {
		return err
	}
	present := map[string]bool{}
	for _, name := range s.Hub.Online() {
		present[name] = true
	}
	rows := make([]string, len(all))
	for i, a := range all {
		rows[i] = strings.Join([]string{
			a.Name, choose(a.Disabled, disabled, enabled), choose(a.Admin, yes, no),
			choose(present[a.Name], online, offline), stamp(a.Created),
		}, "\t")
	}
	c.Lines(rows)
	return nil
}

func (s *session) showUser(ctx context.Context, c *line.Call) error {
	a, err := s.account(ctx, c.Arg(0))
	if err != nil {
		return err
	}
	terms, err := s.Disk.Terms(ctx, a.ID)
	if err != nil {
		return s.changed(a.Name, err)
	}
	groups := none
	if in := s.groupsOf(a.ID); len(in) > 0 {
		groups = strings.Join(in, ", ")
	}
	c.Lines([]string{
		column("name", "%s", a.Name),
		column("state", "%s", choose(a.Disabled, disabled, enabled)),
		column("administrator", "%s", choose(a.Admin, yes, no)),
		column("presence", "%s", choose(slices.Contains(s.Hub.Online(), a.Name), online, offline)),
		column("made", "%s", stamp(a.Created)),
		column("files", "%s", accesses[terms.Access]),
		column("quota", "%s", boundWords(terms.Quota, " bytes")),
		column("rate", "%s", boundWords(terms.Rate, " bytes per second")),
		column("groups", "%s", groups),
	})
	return nil
}

// groupsOf lists the groups that an account belongs to, with its role.
func (s *session) groupsOf(id int64) []string {
	var in []string
	for _, g := range s.Hub.Groups() {
		members, err := s.Hub.Members(g.Name)
		if err != nil {
			continue // dropped meanwhile
		}
		for _, m := range members {
			if m.Account.ID == id {
				in = append(in, g.Name+" ("+roleWord(m.Role)+")")
			}
		}
	}
	return in
}
