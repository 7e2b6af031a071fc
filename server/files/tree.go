package files

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"posko/server/line"
	"posko/server/sandbox"
)

func (s *session) list(_ context.Context, c *line.Call) error {
	path, err := sandbox.Resolve(s.cwd, cmp.Or(c.Arg(0), "."))
	if err != nil {
		return err
	}
	listing, err := s.box.List(path)
	if err != nil {
		return err
	}
	c.Closing(listing)
	c.Rows(listing.Len(), func(yield func(string, error) bool) {
		for e, err := range listing.All() {
			if !yield(row(e), err) {
				return
			}
		}
	})
	return nil
}

// row is an entry in a listing: type, size, time, name. The size of a directory
// is 0, since what it takes on the disk is nothing to its owner.
func row(e sandbox.Entry) string {
	kind := 'f'
	if e.Dir {
		kind = 'd'
	}
	return fmt.Sprintf("%c %d %s %s", kind, e.Size, stamp(e.ModTime), e.Name)
}

// stamp writes a time of whole seconds, UTC (RFC 3339).
func stamp(t time.Time) string { return t.Format(time.RFC3339) }

// parseStamp reads a time as stamp writes it, from 1970 on.
func parseStamp(text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, text)
	return t, err == nil && t.Unix() >= 0 && stamp(t.UTC()) == text
}

func (s *session) enter(_ context.Context, c *line.Call) error {
	path, err := sandbox.Resolve(s.cwd, c.Arg(0))
	if err != nil {
		return err
	}
	dir, err := s.box.Dir(path)
	if err != nil {
		return err
	}
	s.cwd = dir
	c.Say(line.Reply(dir))
	return nil
}

func (s *session) where(_ context.Context, c *line.Call) error {
	c.Say(line.Reply(s.cwd))
	return nil
}

func (s *session) remove(_ context.Context, c *line.Call) error {
	return s.change(c.Arg(0), s.box.Remove)
}

func (s *session) makeDir(_ context.Context, c *line.Call) error {
	return s.change(c.Arg(0), s.box.Mkdir)
}

func (s *session) removeDir(_ context.Context, c *line.Call) error {
	return s.change(c.Arg(0), s.box.Rmdir)
}

// change does to the file or directory that a client means by name what do does
// to a path.
func (s *session) change(name string, do func(path string) error) error {
	path, err := sandbox.Resolve(s.cwd, name)
	if err != nil {
		return err
	}
	return do(path)
}

func (s *session) renameFrom(_ context.Context, c *line.Call) error {
	path, err := sandbox.Resolve(s.cwd, c.Arg(0))
	if err != nil {
		return err
	}
	if _, err := s.box.Stat(path); err != nil {
		return err
	}
	s.source = path
	return nil
}

// forgetSource sees to it that after a refused RNFR or RNTO, whatever was wrong
// with it, no RNTO renames something that nobody speaks of any more.
func (s *session) forgetSource() { s.source = "" }

func (s *session) renameTo(_ context.Context, c *line.Call) error {
	source := s.source
	s.source = ""
	if source == "" {
		return errNoSource
	}
	path, err := sandbox.Resolve(s.cwd, c.Arg(0))
	if err != nil {
		return err
	}
	return s.box.Rename(source, path)
}

func (s *session) size(_ context.Context, c *line.Call) error {
	e, err := s.file(c.Arg(0))
	if err != nil {
		return err
	}
	c.Say(line.Reply(strconv.FormatInt(e.Size, 10)))
	return nil
}

func (s *session) modified(_ context.Context, c *line.Call) error {
	e, err := s.file(c.Arg(0))
	if err != nil {
		return err
	}
	c.Say(line.Reply(stamp(e.ModTime)))
	return nil
}

func (s *session) setModified(_ context.Context, c *line.Call) error {
	path, err := sandbox.Resolve(s.cwd, c.Arg(1))
	if err != nil {
		return err
	}
	at, _ := parseStamp(c.Arg(0))
	e, err := s.box.SetModTime(path, at)
	if err != nil {
		return err
	}
	c.Say(line.Reply(stamp(e.ModTime)))
	return nil
}

// hashNews is how often a client that waits for a hash hears that it is being
// computed, so that nothing in between takes its connection for dead.
const hashNews = 10 * time.Second

func (s *session) hash(ctx context.Context, c *line.Call) error {
	path, err := sandbox.Resolve(s.cwd, c.Arg(0))
	if err != nil {
		return err
	}
	last := time.Now()
	sum, err := s.box.Sum(ctx, path, func() {
		if time.Since(last) >= hashNews {
			last = time.Now()
			s.conn.Append([]byte("[INFO] " + hashing + "\n"))
			s.conn.Flush()
		}
	})
	if err != nil {
		return err
	}
	c.Say(line.Reply(hex.EncodeToString(sum)))
	return nil
}

// file describes the file that a client means by name.
func (s *session) file(name string) (sandbox.Entry, error) {
	path, err := sandbox.Resolve(s.cwd, name)
	if err != nil {
		return sandbox.Entry{}, err
	}
	e, err := s.box.Stat(path)
	if err == nil && e.Dir {
		err = sandbox.ErrIsDir
	}
	return e, err
}
