// Package line is the engine of posko's line protocols: it reads bounded lines
// under deadlines, finds the command in a table, runs it, answers it in one
// place, frames data, and queues what is sent to a client. It has a client side
// too.
//
// It knows no command, no account and no group. What is said comes from a
// Dialect: its table of commands and its phrases.
//
// One goroutine at a time reads a connection's lines and runs its commands in
// order, and one, maybe another, writes what is queued for it. Between two lines
// the state of a session lies in its Conn, none of it on a stack: so one of which
// nothing has arrived is parked, without a goroutine or a buffer, until its Lot
// wakes it. Then it is a job of the Lot's crew, as what is to be written is: few
// goroutines serve all connections, one after the other. A command that waits
// makes room for them.
package line

import "errors"

// Bounds of the contract, in bytes. They are no settings: clients rely on them.
const (
	MaxLine      = 8192    // of a client, with its ending
	MaxReply     = 8448    // of the server, with its ending
	MaxDiscarded = 1 << 20 // of one line that is too long, then the connection is closed
)

// How a reply or an event begins.
const (
	okPrefix   = "[OK] "
	errPrefix  = "[ERR] "
	infoPrefix = "[INFO] "
)

// A Reply is the text after "[OK] ".
type Reply string

// A Refusal is the text after "[ERR] ". A constant of this type is an error
// whose text may reach the client.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// Refusals say how a row words errors of the core, in the order in which they
// are checked.
type Refusals []struct {
	Err error
	Say Refusal
}

func (rs Refusals) find(err error) (Refusal, bool) {
	for _, r := range rs {
		if errors.Is(err, r.Err) {
			return r.Say, true
		}
	}
	return "", false
}

// NoAnswer stands in a row's Refusals for an error after which nobody can know
// whether the command was done: the connection is cut off without an answer.
const NoAnswer = Refusal("")

// ErrMalformed is returned by a command whose arguments are of the wrong form
// in a way that the table can't see. It is answered with the row's Malformed.
var ErrMalformed = errors.New("line: malformed arguments")

// Phrases are what a dialect says where no row of its table speaks.
type Phrases struct {
	Malformed   Refusal // a row without a Malformed of its own
	BadLine     Refusal // not UTF-8, or a control character
	TooLong     Refusal // longer than MaxLine
	Unknown     Refusal // no such command
	NotLoggedIn Refusal
	LoggedIn    Refusal // a command that only serves before login
	Internal    Refusal // an error that nobody foresaw; the log knows more

	Stopping     string // [INFO] when the server stops
	LoginTimeout string // [INFO] when no login came in time
	Idle         string // [INFO] when a connection was silent for too long
	TooMuch      string // [INFO] after too many errors, lines or bytes before login
}
