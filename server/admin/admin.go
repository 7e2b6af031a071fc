// Package admin owns the operator's protocol: its table of commands, its words,
// and the state of a session. It is spoken on a Unix socket that the operator
// alone can open, or within the process of a command that runs while the daemon
// is down; so whoever speaks it may do everything. Operators read English.
//
// In rows the columns are separated by tabs; a time is RFC 3339, UTC, in whole
// seconds, and what is not there is "-".
//
// It must not know how a line is read or a reply written (package line), nor
// the rules of accounts, groups and files: it calls those who own them.
package admin

import (
	"context"

	"posko/server/account"
	"posko/server/hub"
	"posko/server/line"
	"posko/server/sandbox"
)

// Options are what the sessions of a dialect work with.
type Options struct {
	Accounts *account.Directory
	Hub      *hub.Hub
	Disk     *sandbox.Disk
	// Status tells about the running server.
	Status func() Status
	// Authority issues certificates.
	Authority Authority
	// MinPassword is the least length of an account's new password at this
	// moment, in characters.
	MinPassword func() int
}

// An Authority is the server's own certificate authority. Its methods may be
// called from any goroutine. What they return in PEM ends with the authority's
// certificate.
type Authority interface {
	// CA returns the certificate that people are to trust, and its SHA-256
	// fingerprint.
	CA() (pem []byte, fingerprint string, err error)
	// RenewCA replaces the authority, key and all.
	RenewCA() error
	// IssueServer makes a key and a certificate for host names and addresses.
	IssueServer(names []string) (pem []byte, err error)
	// IssueClient makes them for a person.
	IssueClient(name string) (pem []byte, err error)
}

// A Dialect serves the operator's protocol. Its methods may be called from any
// goroutine.
type Dialect struct{ engine line.Dialect[*session] }

// New returns the dialect.
func New(opt Options) *Dialect {
	return &Dialect{line.Dialect[*session]{
		Table: newTable(),
		Open: func(c *line.Conn) *session {
			c.SetLoggedIn(true)
			return &session{Options: opt, log: c.Log()}
		},
		Close: func(*session, bool) {},
	}}
}

// Start has one connection served until it ends, see [line.Dialect.Start].
func (d *Dialect) Start(ctx context.Context, c *line.Conn, ended func(error)) {
	d.engine.Start(ctx, c, ended)
}
