package chat

import (
	"context"

	"posko/server/line"
)

// says is the Run of a row that hands in a message. It waits for nothing.
func says(hand func(s *session, c *line.Call, done func(error))) func(*session, context.Context, *line.Call) error {
	return func(s *session, _ context.Context, c *line.Call) error {
		if s.presence.Full() {
			return line.ErrNotYet
		}
		hand(s, c, c.Later())
		return nil
	}
}

func (s *session) send(c *line.Call, done func(error)) {
	s.presence.Send(c.Arg(0), c.Arg(1), s.takeToken(), done)
}

func (s *session) sendGroup(c *line.Call, done func(error)) {
	s.presence.SendGroup(c.Arg(0), c.Arg(1), s.takeToken(), done)
}

func (s *session) broadcast(c *line.Call, done func(error)) {
	s.presence.Broadcast(c.Arg(0), done)
}

// once keeps a token for the next SEND or SENDGROUP, which uses it up whether or
// not it succeeds.
func (s *session) once(_ context.Context, c *line.Call) error {
	s.token = c.Arg(0)
	c.Say(line.Reply(s.token))
	return nil
}

func (s *session) takeToken() string {
	token := s.token
	s.token = ""
	return token
}

func (s *session) createGroup(ctx context.Context, c *line.Call) error {
	hash, err := s.Accounts.HashGroup(ctx, c.Arg(1))
	if err != nil {
		return err
	}
	return s.Hub.CreateGroup(c.Arg(0), hash, s.who())
}

// join checks in the order of the contract: whether there is such a group,
// whether the account is in it already or banned, and only then the password:
// who is banned can't find out by JOIN what the new one is.
func (s *session) join(ctx context.Context, c *line.Call) error {
	group, err := s.presence.Joinable(c.Arg(0))
	if err != nil {
		return err
	}
	if err := s.Accounts.CheckGroup(ctx, group.Group, c.Arg(1), s.account, s.address()); err != nil {
		return err
	}
	s.presence.Join(group, c.Later())
	return nil
}

func (s *session) readOnly(_ context.Context, c *line.Call) error {
	on := c.Arg(1) == "ON"
	if !on {
		c.Say(okWritable)
	}
	return s.presence.SetReadOnly(c.Arg(0), on)
}

func (s *session) setHistory(_ context.Context, c *line.Call) error {
	since := c.Arg(1) == "JOINED"
	if since {
		c.Say(okSinceJoined)
	}
	return s.presence.SetSinceJoined(c.Arg(0), since)
}

func (s *session) leave(_ context.Context, c *line.Call) error {
	return s.Hub.Leave(c.Arg(0), s.who(), s.presence)
}
