package chat

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"posko/server/account"
	"posko/server/hub"
	"posko/server/line"
)

// A session is the state of one connection. It belongs to the connection's
// goroutine.
type session struct {
	*Options
	conn  *line.Conn
	front *hub.Front // of the connection's events, over any number of logins

	// From login to logout; presence is nil otherwise.
	account  account.Account
	presence *hub.Session
	token    string // of ONCE, for the next message
	checked  int64  // the read that brought the last CHECK
}

func (s *session) close(clean bool) {
	if s.presence == nil {
		return
	}
	s.presence.Detach(clean)
	s.conn.Log().Info("logout", "account", s.account.Name, "address", s.conn.RemoteAddr())
	s.presence, s.account, s.token = nil, account.Account{}, ""
}

// heard tells the hub that a command came, so that what was sent before it has
// surely been received. A command that came together with the last CHECK was
// sent before what that has shown.
func (s *session) heard() {
	if s.presence == nil {
		return
	}
	if read, written := s.conn.Heard(); read > s.checked {
		s.presence.Heard(written)
	}
}

// address is what the throttle counts by. A connection that is not TCP counts
// as the zero address.
func (s *session) address() netip.Addr {
	from, _ := netip.ParseAddrPort(s.conn.RemoteAddr().String())
	return from.Addr()
}

// who is the session's account, as the hub knows it.
func (s *session) who() hub.Account {
	return hub.Account{ID: s.account.ID, Name: s.account.Name, Admin: s.account.Admin}
}

func (s *session) login(ctx context.Context, c *line.Call) error {
	return s.enter(ctx, c, c.Arg(0), func() (account.Account, error) {
		return s.Accounts.Login(ctx, c.Arg(0), c.Arg(1), s.address())
	})
}

func (s *session) certLogin(ctx context.Context, c *line.Call) error {
	var shown account.Certificate
	if s.Certificate != nil {
		shown = s.Certificate(s.conn)
	}
	return s.enter(ctx, c, shown.Name, func() (account.Account, error) {
		return s.Accounts.CertLogin(ctx, shown, s.address())
	})
}

// enter tries to log in, and tells how that ended. The name is what the client
// says of itself.
func (s *session) enter(ctx context.Context, c *line.Call, name string, login func() (account.Account, error)) error {
	a, err := login()
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
	if n := s.presence.Unread(); n > 0 {
		c.Notice(fmt.Sprintf(infoUnread, n))
	}
	return nil
}

// attach makes the session that of the account.
func (s *session) attach(ctx context.Context, a account.Account) error {
	s.account = a
	presence, err := s.Hub.Attach(ctx, hub.Attachment{
		Account: s.who(), Front: s.front, Out: s.conn,
		End: func(why hub.Reason) { s.conn.End(farewells[why]) },
	}, func(ctx context.Context) error { return s.Accounts.Confirm(ctx, a) })
	if err != nil {
		s.account = account.Account{}
		return err
	}
	s.presence = presence
	s.conn.SetLoggedIn(true)
	return nil
}

func (s *session) signUp(ctx context.Context, c *line.Call) error {
	name, password, code := c.Arg(0), c.Arg(1), c.Arg(2)
	if code == "" {
		_, err := s.Accounts.SignUp(ctx, name, password)
		return err
	}
	a, group, err := s.Accounts.Redeem(ctx, name, password, code, s.address())
	if err != nil || group == 0 {
		return err
	}
	err = s.Hub.Join(group, hub.Account{ID: a.ID, Name: a.Name})
	if err == nil || errors.Is(err, hub.ErrNoGroup) { // dropped meanwhile
		return nil
	}
	// The account is there, and a member from the next start on.
	return fmt.Errorf("%w: %v", hub.ErrInDoubt, err)
}

func (s *session) logout(context.Context, *line.Call) error {
	s.close(true)
	s.conn.SetLoggedIn(false)
	return nil
}

func (s *session) passwd(ctx context.Context, c *line.Call) error {
	a, err := s.Accounts.ChangePassword(ctx, s.account.ID, c.Arg(0), c.Arg(1), s.address())
	if err != nil {
		return err
	}
	s.account = a
	s.Hub.End(a.ID, s.presence, hub.PasswordChanged)
	return nil
}

func (s *session) whoAmI(_ context.Context, c *line.Call) error {
	c.Say(line.Reply(s.account.Name + " " + s.conn.RemoteAddr().String()))
	return nil
}

func (s *session) stamp(_ context.Context, c *line.Call) error {
	if s.front = plain; c.Arg(0) == "ON" {
		s.front = stamped
		c.Say(okStampOn)
	} else {
		c.Say(okStampOff)
	}
	s.presence.SetFront(s.front)
	return nil
}

func (s *session) ping(_ context.Context, c *line.Call) error {
	say := pong
	if text := c.Arg(0); text != "" {
		say += " " + text
	}
	c.Say(line.Reply(say))
	return nil
}
