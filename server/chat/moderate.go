package chat

import (
	"context"

	"posko/server/hub"
	"posko/server/line"
)

// noTopic is what TOPIC takes for the wish to have none.
const noTopic = "-"

// ofManaged is how a row words that it is not for just any member.
var ofManaged = refuses(ofGroup, line.Refusals{{Err: hub.ErrDenied, Say: errDenied}})

var noTarget = line.Refusals{{Err: hub.ErrNoTarget, Say: errNoTarget}}

// moderating makes the row of something that is done to an account in a group.
func moderating(name string, action hub.Action, help string, done line.Reply, own ...line.Refusals) line.Command[*session] {
	return line.Command[*session]{
		Name: name, Args: "GROUP USER", Help: help, Done: done, Pace: paced,
		Refuses: refuses(refuses(ofManaged, line.Refusals{{Err: hub.ErrNoAccount, Say: errNoAccount}}), append(own, kept)...),
		Run: func(s *session, ctx context.Context, c *line.Call) error {
			return s.presence.Moderate(ctx, action, c.Arg(0), c.Arg(1))
		},
	}
}

// groupPass asks first whether the account may: a hash is dear.
func (s *session) groupPass(ctx context.Context, c *line.Call) error {
	group := c.Arg(0)
	if err := s.presence.May(hub.SetPassword, group); err != nil {
		return err
	}
	hash, err := s.Accounts.HashGroup(ctx, c.Arg(1))
	if err != nil {
		return err
	}
	return s.presence.SetGroupPassword(group, hash)
}

func (s *session) dropGroup(_ context.Context, c *line.Call) error {
	return s.presence.DropGroup(c.Arg(0))
}

func (s *session) topic(_ context.Context, c *line.Call) error {
	group, text := c.Arg(0), c.Arg(1)
	switch text {
	case noTopic:
		return s.presence.SetTopic(group, "")
	case "":
	default:
		return s.presence.SetTopic(group, text)
	}
	topic, err := s.presence.Topic(group)
	if err != nil {
		return err
	}
	var rows []string
	if topic != "" {
		rows = append(rows, topic)
	}
	c.Lines(rows)
	return nil
}
