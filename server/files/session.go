package files

import (
	"context"
	"errors"
	"net/netip"

	"posko/server/hub"
	"posko/server/line"
	"posko/server/sandbox"
)

// Refusals of a session itself: commands that need another one before them.
var (
	errNoUser   = errors.New("files: PASS without USER")
	errNoSource = errors.New("files: RNTO without RNFR")
	errALLO     = errors.New("files: PUT after a refused ALLO")
	errREST     = errors.New("files: PUT or RETR after a refused REST")
	errSize     = errors.New("files: PUT after REST without ALLO")
)

// A session is the state of one connection. It belongs to the connection's
// goroutine.
type session struct {
	Options
	conn *line.Conn
	name string // given by USER

	// From login on.
	presence *hub.Session
	box      *sandbox.Box
	cwd      string // virtual, as sandbox.Box.Dir returns it

	room    *sandbox.Reservation // of the next PUT, found by ALLO; or nil
	refused bool                 // the last ALLO was refused, and so is the next PUT
	rest    int64                // the offset of the next PUT or RETR, or noRest
	norest  bool                 // the last REST was refused, and so is the next PUT or RETR
	source  string               // given by RNFR, or ""
}

// noRest stands for no offset: it is not the same as one of 0.
const noRest = -1

func newSession(opt Options, c *line.Conn) *session {
	return &session{Options: opt, conn: c, rest: noRest}
}

func (s *session) close(clean bool) {
	if s.presence == nil {
		return
	}
	s.presence.Detach(clean)
	s.room.Release()
	s.box.Close()
	s.conn.Log().Info("logout", "account", s.presence.Account().Name, "address", s.conn.RemoteAddr())
}

func (s *session) user(_ context.Context, c *line.Call) error {
	s.name = c.Arg(0)
	return nil
}

func (s *session) pass(ctx context.Context, c *line.Call) error {
	if s.name == "" {
		return errNoUser
	}
	err := s.login(ctx, c.Arg(0))
	if s.OnLogin != nil {
		s.OnLogin(err)
	}
	if err != nil {
		s.conn.Log().Info("login refused", "account", s.name, "address", s.conn.RemoteAddr(), "err", err)
		return err
	}
	s.conn.Log().Info("login", "account", s.presence.Account().Name, "address", s.conn.RemoteAddr())
	return nil
}

// login makes the session that of the account, if the password is its own.
func (s *session) login(ctx context.Context, password string) error {
	// A connection that is not TCP counts as the zero address, which the
	// throttle takes as well.
	from, _ := netip.ParseAddrPort(s.conn.RemoteAddr().String())
	a, err := s.Accounts.Login(ctx, s.name, password, from.Addr())
	if err != nil {
		return err
	}
	var box *sandbox.Box
	presence, err := s.Hub.Attach(ctx, hub.Attachment{
		Account: hub.Account{ID: a.ID, Name: a.Name, Admin: a.Admin},
		End:     func(why hub.Reason) { s.conn.End(farewells[why]) },
	}, func(ctx context.Context) (err error) {
		if err = s.Accounts.Confirm(ctx, a); err != nil {
			return err
		}
		box, err = s.Disk.Account(ctx, a.ID)
		return err
	})
	if err != nil {
		return err
	}
	s.presence, s.box, s.cwd = presence, box, "/"
	s.conn.SetLoggedIn(true)
	return nil
}

func (s *session) nothing(context.Context, *line.Call) error { return nil }
