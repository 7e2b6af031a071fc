package files

import (
	"context"
	"strconv"

	"posko/server/line"
	"posko/server/sandbox"
)

func (s *session) retrieve(ctx context.Context, c *line.Call) error {
	path, err := sandbox.Resolve(s.cwd, c.Arg(0))
	if err != nil {
		return err
	}
	f, err := s.box.Open(path)
	if err != nil {
		return err
	}
	c.Bytes(f.Size, s.box.Reader(ctx, f))
	return nil
}

func (s *session) allot(_ context.Context, c *line.Call) error {
	n, err := strconv.ParseUint(c.Arg(0), 10, 63)
	if err != nil {
		return line.ErrMalformed
	}
	size := int64(n)
	if err := s.box.Room(size); err != nil {
		return err
	}
	s.allotted, s.refused = size, false
	c.Say(line.Reply(strconv.FormatInt(size, 10)))
	return nil
}

// refuseAllotment makes the next PUT refused too. Its content may have been
// sent already, and must not be taken for lines that were typed.
func (s *session) refuseAllotment() { s.allotted, s.refused = sandbox.Unknown, true }

// put receives a file. Where it is refused before it has asked for the content,
// the connection is closed (see the row), so refused need not be taken back.
func (s *session) put(ctx context.Context, c *line.Call) error {
	if s.refused {
		return errALLO
	}
	size := s.allotted
	s.allotted = sandbox.Unknown
	path, err := sandbox.Resolve(s.cwd, c.Arg(0))
	if err != nil {
		return err
	}
	upload, err := s.box.Create(path, size)
	if err != nil {
		return err
	}
	defer upload.Abort()
	paced := s.box.Writer(ctx, upload)
	if size == sandbox.Unknown {
		err = c.ReceiveText(okType, paced)
	} else {
		err = c.Receive(okSend, size, paced)
	}
	if err != nil {
		return err
	}
	return upload.Commit(ctx)
}
