// Package files owns the file protocol: its table of commands, its words, and
// the state of a session. It is the smallest front there can be to the accounts
// and to their trees of files.
//
// It must not know how a line is read or a reply written (package line), how a
// path leads to a file and when that is safe (package sandbox), nor what a
// password is (package account). The hub knows its sessions as well, which is
// how they end when an account is deleted or disabled.
package files

import (
	"context"
	"time"

	"posko/server/account"
	"posko/server/hub"
	"posko/server/line"
	"posko/server/sandbox"
)

// ALPN is the name of this protocol in the TLS handshake (RFC 7301).
const ALPN = "posko-files"

// Options are what the sessions of a dialect work with.
type Options struct {
	Accounts *account.Directory
	Hub      *hub.Hub
	Disk     *sandbox.Disk // the accounts' trees, by the accounts' ids
	Groups   *sandbox.Disk // the groups' trees, by the groups' ids
	// Observe is told of commands, see [line.Dialect]. It may be nil.
	Observe func(verb string, took time.Duration)
	// Certificate is what the client of a connection has shown. It may be nil,
	// if nobody ever does.
	Certificate func(*line.Conn) account.Certificate
	// OnLogin is told how each attempt to log in ended: nil, or an error of
	// account or hub, or an unforeseen one. It may be called from any goroutine,
	// and may be nil.
	OnLogin func(error)
	// Xferlog is told of transfers and deletions. It may be nil.
	Xferlog *Xferlog
}

// A Dialect serves the file protocol. Its methods may be called from any
// goroutine.
type Dialect struct{ engine line.Dialect[*session] }

// New returns the dialect. For its Sections alone the options may be empty.
func New(opt Options) *Dialect {
	return &Dialect{line.Dialect[*session]{
		Table:   newTable(),
		Open:    func(c *line.Conn) *session { return newSession(opt, c) },
		Close:   (*session).close,
		Observe: opt.Observe,
	}}
}

// Start has one connection served until it ends, see [line.Dialect.Start].
func (d *Dialect) Start(ctx context.Context, c *line.Conn, ended func(error)) {
	d.engine.Start(ctx, c, ended)
}

// Sections lists the commands for the manual.
func (d *Dialect) Sections() []line.Section { return d.engine.Table.Sections() }
