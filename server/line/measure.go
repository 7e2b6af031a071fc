package line

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// Counters are what an engine's connections add up. They may be read at any
// time, and shared by several engines.
type Counters struct {
	// Received and Sent count the bytes of files, without replies and lines.
	Received, Sent atomic.Int64
}

// A Cause says how a connection ended.
type Cause string

// The causes.
const (
	Left         Cause = "left"          // on purpose: a Final command, or a close_notify
	Broken       Cause = "broken"        // by the client's end or the network, without a word
	NoHandshake  Cause = "handshake"     // it never spoke TLS, or not to the end
	NoLogin      Cause = "login_timeout" // it did not log in in time
	Idle         Cause = "idle"          // it was silent for too long
	Stalled      Cause = "stalled"       // it took no byte of what was being written
	Overflow     Cause = "overflow"      // it fell too far behind what was sent to it
	Refused      Cause = "refused"       // nothing more was to be read from it
	EndedOutside Cause = "ended"         // by End or Abort
	Stopped      Cause = "stopped"       // by Stop
	Failed       Cause = "failed"        // by a failure of the server's
)

// Causes returns all of them.
func Causes() []Cause {
	return []Cause{Left, Broken, NoHandshake, NoLogin, Idle, Stalled, Overflow, Refused, EndedOutside, Stopped, Failed}
}

// Cause is how the connection ended. It may be asked for once that is over, by
// the function that Start was given.
func (c *Conn) Cause() Cause { return c.why }

// because finds the cause in the error with which a session ended.
func (c *Conn) because(err error) Cause {
	switch {
	case errors.Is(err, errStopped), errors.Is(c.stopping(), errStopped) && errors.Is(err, errEnded):
		return Stopped // the latter at the end of the grace
	case errors.Is(err, errEnded):
		return EndedOutside
	case errors.Is(err, errFinal), errors.Is(err, io.EOF):
		return Left
	case errors.Is(err, errStalled):
		return Stalled
	case errors.Is(err, errOverflow):
		return Overflow
	case errors.Is(err, errRefused), errors.Is(err, errFlood):
		return Refused
	case errors.Is(err, os.ErrDeadlineExceeded) && c.loggedIn:
		return Idle
	case errors.Is(err, os.ErrDeadlineExceeded):
		return NoLogin
	case errors.Is(err, errTorn), errors.Is(err, io.ErrUnexpectedEOF), isNetwork(err):
		return Broken
	}
	return Failed
}

// isNetwork says whether an error is of the connection: the kernel's, an alert
// of TLS, or bytes that are no TLS.
func isNetwork(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	_, garbage := errors.AsType[tls.RecordHeaderError](err)
	return ok || garbage
}

// Waiting says how many bytes are queued for the client, and for how long it
// has taken none of them. Replies' data don't count. It may be called from any
// goroutine.
func (c *Conn) Waiting() (bytes int, unmoved time.Duration) {
	o := c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bytes > 0 && !o.moved.IsZero() {
		unmoved = time.Since(o.moved)
	}
	return o.bytes, unmoved
}
