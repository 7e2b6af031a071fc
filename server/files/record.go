package files

import (
	"context"
	"errors"
	"time"

	"posko/server/hub"
	"posko/server/line"
	"posko/server/sandbox"
)

// What the log calls an upload, download, deletion or rename.
const (
	upload   = "upload"
	download = "download"
	deletion = "delete"
	renaming = "rename"

	undeletion = "undelete"
)

// How it ended, for the log.
const (
	done    = "ok"
	refused = "refused" // nothing has changed
	aborted = "aborted" // the connection broke, or was cut off
	unclear = "unclear" // it was done, but may not last
)

// A deed is one upload, download, deletion or rename.
type deed struct {
	what     string
	path, to string // virtual; to is the new name of what was renamed
	bytes    int64  // of the file, that were moved
	began    time.Time
	took     time.Duration
	result   string
	err      error
}

// recorded has what a row does logged when it has ended, as one line whatever
// names it holds: slog quotes them.
func recorded(what string, run func(*session, context.Context, *line.Call) error) func(*session, context.Context, *line.Call) error {
	return func(s *session, ctx context.Context, c *line.Call) error {
		d := &deed{what: what, path: s.path(c.Arg(0)), began: time.Now()}
		if what == renaming {
			d.path, d.to = s.source, d.path
		}
		c.OnEnd(func(cut bool, err error) {
			d.took, d.err, d.bytes = time.Since(d.began), err, c.Moved()
			switch {
			case cut:
				d.result = aborted
			case errors.Is(err, sandbox.ErrUncertain):
				d.result = unclear
			case err != nil:
				d.result = refused
			default:
				d.result = done
			}
			s.record(d)
		})
		folder, within, ok := s.box.Folder(d.path)
		err := run(s, ctx, c)
		if err == nil && ok {
			s.announce(folder, within, d)
		}
		return err
	}
}

// announce tells a group what was done in its folder. It is handed in before the
// client has its answer, and so before all that the client does next.
func (s *session) announce(folder sandbox.Folder, within string, d *deed) {
	switch d.what {
	case upload:
		s.presence.TellOfFile(folder.Group, hub.FileStored, within, "")
	case deletion:
		s.presence.TellOfFile(folder.Group, hub.FileRemoved, within, "")
	case renaming:
		_, to, _ := s.box.Folder(d.to)
		s.presence.TellOfFile(folder.Group, hub.FileRenamed, within, to)
	}
}

// path is where an argument leads, for the log: if nowhere, it is as it came.
func (s *session) path(arg string) string {
	if path, err := sandbox.Resolve(s.cwd, arg); err == nil {
		return path
	}
	return arg
}

func (s *session) record(d *deed) {
	account, address := s.presence.Account().Name, s.conn.RemoteAddr()
	attrs := []any{"account", account, "address", address, "path", d.path}
	if d.to != "" {
		attrs = append(attrs, "to", d.to)
	}
	if d.what == upload || d.what == download {
		attrs = append(attrs, "bytes", d.bytes)
	}
	attrs = append(attrs, "duration", d.took, "result", d.result)
	if d.err != nil {
		attrs = append(attrs, "err", d.err)
	}
	s.conn.Log().Info(d.what, attrs...)
	s.Xferlog.record(account, address, d)
}
