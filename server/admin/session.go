package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"posko/server/account"
	"posko/server/hub"
	"posko/server/line"
	"posko/server/sandbox"
)

// A session is one connection of the operator's.
type session struct {
	Options
	log *slog.Logger
}

// account finds an account by its name, or returns a refusal.
func (s *session) account(ctx context.Context, name string) (account.Account, error) {
	if !account.ValidName(name) {
		return account.Account{}, errName
	}
	a, err := s.Accounts.Find(ctx, name)
	if errors.Is(err, account.ErrNoAccount) {
		err = noAccount(name)
	}
	return a, err
}

// group finds a group by its name, or returns a refusal.
func (s *session) group(name string) (hub.GroupInfo, error) {
	if !account.ValidName(name) {
		return hub.GroupInfo{}, errName
	}
	g, err := s.Hub.Group(name)
	if errors.Is(err, hub.ErrNoGroup) {
		err = noGroup(name)
	}
	return g, err
}

// changed words the error of a change of something that was found before it and
// may be gone since.
func (s *session) changed(name string, err error) error {
	switch {
	case errors.Is(err, account.ErrNoAccount), errors.Is(err, hub.ErrNoAccount), errors.Is(err, sandbox.ErrNotFound):
		return noAccount(name)
	case errors.Is(err, account.ErrNoGroup), errors.Is(err, hub.ErrNoGroup):
		return noGroup(name)
	case errors.Is(err, account.ErrPasswordShort):
		return passwordShort(s.MinPassword())
	}
	return err
}

// column is one row of a description: what it is, and its value, which may hold
// the text of an error and must not break the line.
func column(what, format string, args ...any) string {
	value := strings.Map(func(r rune) rune {
		if r == '\t' || line.Control(r) {
			return ' '
		}
		return r
	}, fmt.Sprintf(format, args...))
	return what + "\t" + strings.ToValidUTF8(value[:min(len(value), maxValue)], "")
}

// maxValue keeps a row well below line.MaxReply, in bytes.
const maxValue = 4096

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// choose words a truth.
func choose(truth bool, ifTrue, ifFalse string) string {
	if truth {
		return ifTrue
	}
	return ifFalse
}
