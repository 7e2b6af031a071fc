package files

import (
	"context"
	"errors"
	"net/netip"

	"posko/server/account"
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
	return s.login(ctx, s.name, func() (account.Account, error) {
		return s.Accounts.Login(ctx, s.name, c.Arg(0), s.address())
	})
}

func (s *session) certLogin(ctx context.Context, _ *line.Call) error {
	var shown account.Certificate
	if s.Certificate != nil {
		shown = s.Certificate(s.conn)
	}
	return s.login(ctx, shown.Name, func() (account.Account, error) {
		return s.Accounts.CertLogin(ctx, shown, s.address())
	})
}

// address is what the throttle counts by. A connection that is not TCP counts
// as the zero address.
func (s *session) address() netip.Addr {
	from, _ := netip.ParseAddrPort(s.conn.RemoteAddr().String())
	return from.Addr()
}

// login tries to log in, and tells how that ended. The name is what the client
// says of itself.
func (s *session) login(ctx context.Context, name string, try func() (account.Account, error)) error {
	a, err := try()
	if err == nil {
		name = a.Name
		err = s.attach(ctx, a)
	}
	if s.OnLogin != nil {
		s.OnLogin(err)
	}
	log := s.conn.Log().With("account", name, "address", s.conn.RemoteAddr())
	if err != nil {
		log.Info("login refused", "err", err)
		return err
	}
	log.Info("login")
	return nil
}

// attach makes the session that of the account.
func (s *session) attach(ctx context.Context, a account.Account) error {
	var box *sandbox.Box
	// Nothing is asked of groups before the box is there, nor of the box before
	// the presence is.
	groups := sandbox.Groups{
		Disk: s.Groups,
		Find: func(name string) (sandbox.Folder, bool) {
			f, err := s.presence.Folder(name)
			return sandbox.Folder(f), err == nil
		},
		List: func() (all []sandbox.Folder) {
			for _, f := range s.presence.Folders() {
				all = append(all, sandbox.Folder(f))
			}
			return all
		},
	}
	presence, err := s.Hub.Attach(ctx, hub.Attachment{
		Account: hub.Account{ID: a.ID, Name: a.Name, Admin: a.Admin},
		End:     func(why hub.Reason) { s.conn.End(farewells[why]) },
	}, func(ctx context.Context) (err error) {
		if err = s.Accounts.Confirm(ctx, a); err != nil {
			return err
		}
		box, err = s.Disk.Account(ctx, a.ID, groups)
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
