// Package chat owns the chat protocol: its table of commands, its words for
// replies and events, and the state of a session.
//
// It must not know how a line is read or a reply written (package line), what a
// password is (package account), nor who belongs to a group and in which order
// messages come (package hub).
package chat

import (
	"context"
	"time"

	"posko/server/account"
	"posko/server/hub"
	"posko/server/line"
)

// ALPN is the name of this protocol in the TLS handshake (RFC 7301).
const ALPN = "posko-chat"

// Options are what the sessions of a dialect work with.
type Options struct {
	Accounts *account.Directory
	Hub      *hub.Hub
	// Observe is told of commands, see [line.Dialect]. It may be nil.
	Observe func(verb string, took time.Duration)
	// Certificate is what the client of a connection has shown. It may be nil,
	// if nobody ever does.
	Certificate func(*line.Conn) account.Certificate
	// OnLogin is told how each attempt to log in ended: nil, or an error of
	// account or hub, or an unforeseen one. It may be called from any goroutine,
	// and may be nil.
	OnLogin func(error)
}

// A Dialect serves the chat protocol. Its methods may be called from any
// goroutine.
type Dialect struct{ engine line.Dialect[*session] }

// New returns the dialect. For its Sections alone the options may be empty.
func New(opt Options) *Dialect {
	return &Dialect{line.Dialect[*session]{
		Table:   newTable(),
		Open:    func(c *line.Conn) *session { return &session{Options: &opt, conn: c, front: plain} },
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
