package files

import (
	"context"
	"io"
	"strconv"

	"posko/server/line"
	"posko/server/sandbox"
)

func (s *session) retrieve(ctx context.Context, c *line.Call) error {
	from, refused := max(0, s.rest), s.norest
	s.forgetRest()
	if refused {
		return errREST
	}
	path, err := sandbox.Resolve(s.cwd, c.Arg(0))
	if err != nil {
		return err
	}
	f, err := s.box.Open(path)
	if err != nil {
		return err
	}
	c.Bytes(f.Size-from, s.box.Reader(ctx, f)) // which closes it, whatever follows
	if from > f.Size {
		return sandbox.ErrOffset
	}
	_, err = f.Seek(from, io.SeekStart)
	return err
}

// number reads the argument of ALLO and REST.
func number(c *line.Call) (int64, error) {
	n, err := strconv.ParseUint(c.Arg(0), 10, 63)
	if err != nil {
		return 0, line.ErrMalformed
	}
	return int64(n), nil
}

func sayNumber(c *line.Call, n int64) { c.Say(line.Reply(strconv.FormatInt(n, 10))) }

// allot finds room for the next PUT, where it is most probably going. One that
// goes elsewhere finds its room there.
func (s *session) allot(_ context.Context, c *line.Call) error {
	size, err := number(c)
	if err != nil {
		return err
	}
	s.room.Release()
	s.room = nil
	room, err := s.box.Reserve(s.cwd, max(0, s.rest), size)
	if err != nil {
		return err
	}
	s.room, s.refused = room, false
	sayNumber(c, size)
	return nil
}

// refuseAllotment makes the next PUT refused too. Its content may have been
// sent already, and must not be taken for lines that were typed.
func (s *session) refuseAllotment() {
	s.room.Release()
	s.room, s.refused = nil, true
}

func (s *session) restart(_ context.Context, c *line.Call) error {
	from, err := number(c)
	if err != nil {
		return err
	}
	s.rest, s.norest = from, false
	sayNumber(c, from)
	return nil
}

// refuseRest makes the next PUT or RETR refused too, which would be of another
// part of the file than the client thinks.
func (s *session) refuseRest() { s.rest, s.norest = noRest, true }

// forgetRest sees to it that RETR uses up REST, whatever becomes of it.
func (s *session) forgetRest() { s.rest, s.norest = noRest, false }

func (s *session) part(_ context.Context, c *line.Call) error {
	path, err := sandbox.Resolve(s.cwd, c.Arg(0))
	if err != nil {
		return err
	}
	n, err := s.box.Partial(path)
	if err != nil {
		return err
	}
	sayNumber(c, n)
	return nil
}

// put receives a file. Where it is refused before it has asked for the content,
// the connection is closed (see the row), so nothing need be taken back.
func (s *session) put(ctx context.Context, c *line.Call) error {
	switch {
	case s.refused:
		return errALLO
	case s.norest:
		return errREST
	case s.rest != noRest && s.room == nil:
		return errSize
	}
	path, err := sandbox.Resolve(s.cwd, c.Arg(0))
	if err != nil {
		return err
	}
	from, room := max(0, s.rest), s.room
	s.rest, s.room = noRest, nil
	if room == nil {
		if room, err = s.box.Reserve(path, 0, sandbox.Unknown); err != nil {
			return err
		}
	}
	size := room.Size()
	upload, err := s.box.Upload(path, from, room)
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
	if err := upload.Commit(ctx); err != nil {
		return err
	}
	// Who has just stored something has its root, or has lost it since.
	if used, limit, err := s.box.Quota(path); err == nil {
		c.Notice(left(used, limit))
	}
	return nil
}
