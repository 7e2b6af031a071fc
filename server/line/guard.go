package line

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

var (
	errStalled = errors.New("line: the client takes no bytes")
	errTorn    = errors.New("line: the connection ended without a close_notify")
)

// looks is how often in its stall time a blocked write looks at its progress,
// and so how exact that time is.
const looks = 4

// A guard is the connection below TLS. A write may take as long as the client
// takes bytes; if it takes none for the stall time, the write fails. It sees
// plain progress, which a deadline for a whole TLS record would not.
type guard struct {
	net.Conn
	stall time.Duration // 0: no bound
	// slots is where a handshake has taken its place from, and nil afterwards.
	// The place is given back while the client is being waited for, so that
	// slow ones keep nobody out.
	slots chan struct{}
	// tls says that TLS is spoken above, where an end without a close_notify
	// is none. crypto/tls takes it for one between two records; it does pass
	// any other error on.
	tls bool
}

func (g *guard) Read(b []byte) (int, error) {
	if g.slots != nil {
		g.slots <- struct{}{}
		defer func() { <-g.slots }()
	}
	n, err := g.Conn.Read(b)
	if g.tls && errors.Is(err, io.EOF) {
		err = errTorn
	}
	return n, err
}

func (g *guard) Write(b []byte) (int, error) {
	if g.stall == 0 {
		return g.Conn.Write(b)
	}
	done := 0
	for still := 0; still < looks; {
		if err := g.Conn.SetWriteDeadline(time.Now().Add(g.stall / looks)); err != nil {
			return done, err
		}
		n, err := g.Conn.Write(b[done:])
		done += n
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return done, err
		}
		if still++; n > 0 {
			still = 0
		}
	}
	return done, errStalled
}

// SetWriteDeadline does nothing: Write sets its own.
func (g *guard) SetWriteDeadline(time.Time) error { return nil }
