package admin

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"posko/server/account"
	"posko/server/line"
)

// invite answers with the code, which is told to nobody else.
func (s *session) invite(ctx context.Context, c *line.Call) error {
	uses, err := strconv.Atoi(c.Arg(0))
	if err != nil {
		return errInvitationBounds
	}
	life, err := time.ParseDuration(c.Arg(1))
	if err != nil {
		return errInvitationBounds
	}
	group := int64(0)
	if name := c.Arg(2); name != "" {
		g, err := s.group(name)
		if err != nil {
			return err
		}
		group = g.ID
	}
	code, err := s.Accounts.Invite(ctx, uses, life, group)
	if err != nil {
		return s.changed(c.Arg(2), err)
	}
	s.log.Info("invitation made", "uses", uses, "life", life, "group", c.Arg(2))
	c.Say(line.Reply(code))
	return nil
}

func (s *session) listInvitations(ctx context.Context, c *line.Call) error {
	all, err := s.Accounts.Invitations(ctx)
	if err != nil {
		return err
	}
	rows := make([]string, len(all))
	for i, in := range all {
		group := in.GroupName
		if group == "" {
			group = none
		}
		rows[i] = strings.Join([]string{
			strconv.FormatInt(in.ID, 10), strconv.Itoa(in.Left), strconv.Itoa(in.Uses), group,
			stamp(in.Created), stamp(in.Expires),
		}, "\t")
	}
	c.Lines(rows)
	return nil
}

func (s *session) revokeInvitation(ctx context.Context, c *line.Call) error {
	id, err := strconv.ParseInt(c.Arg(0), 10, 64)
	if err != nil {
		return noInvitation(c.Arg(0))
	}
	err = s.Accounts.Revoke(ctx, id)
	if errors.Is(err, account.ErrInvitation) {
		return noInvitation(c.Arg(0))
	}
	if err != nil {
		return err
	}
	s.log.Info("invitation revoked", "invitation", id)
	return nil
}
