package line

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

var (
	errStalled = errors.New("line: the client takes no bytes")
	errTorn    = errors.New("line: the connection ended without a close_notify")
)

// looks is how often in its stall time a blocked write looks at its progress,
// and so how exact that time is.
const looks = 4

// errNothing is returned by a read that doesn't wait where nothing has arrived.
// crypto/tls doesn't remember a net.Error that is temporary: it takes up the
// record where it was.
var errNothing net.Error = noneYet{}

type noneYet struct{}

func (noneYet) Error() string   { return "line: nothing has arrived" }
func (noneYet) Timeout() bool   { return false }
func (noneYet) Temporary() bool { return true }

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
	tls  bool
	crew *crew // may be nil
	// hasty says that a read takes what has arrived, by raw, and doesn't wait.
	hasty bool
	raw   syscall.RawConn
	// out is what is written to the same client; nil where nobody asks for the
	// next two.
	out     *outbox
	reads   int64 // that brought something
	written int64 // how far out was at the last of them
	// drained says that the last read took all that had arrived, and that this was
	// the end of a record and of no other: crypto/tls, which had nothing whole when
	// it asked, has nothing left once it has given that one away.
	drained bool
	records recordEnds
	// The buffers of a transfer: see gather and readAhead. They are nil else.
	held    []byte // written, and held back
	ahead   []byte // where to read ahead
	pending []byte // read ahead
}

func (g *guard) Read(b []byte) (int, error) {
	if g.ahead != nil || len(g.pending) > 0 {
		return g.readBulk(b)
	}
	return g.read(b)
}

func (g *guard) read(b []byte) (n int, err error) {
	switch {
	case g.hasty:
		n, err = g.look(b)
	case g.slots != nil:
		g.slots <- struct{}{}
		n, err = g.Conn.Read(b)
		<-g.slots
	default:
		n, err = g.Conn.Read(b)
	}
	g.drained = g.tls && g.records.one(b[:n]) && n < len(b)
	if n > 0 && g.out != nil {
		g.reads, g.written = g.reads+1, g.out.position()
	}
	if g.tls && errors.Is(err, io.EOF) {
		err = errTorn
	}
	return n, err
}

// look reads what has arrived, or returns errNothing.
func (g *guard) look(b []byte) (int, error) {
	n, err, closed := onSocket(g.raw, receive, b)
	switch {
	case closed != nil:
		return 0, closed
	case err == syscall.EAGAIN:
		return 0, errNothing
	case err != nil:
		return 0, &net.OpError{Op: "read", Err: os.NewSyscallError("read", err)}
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func (g *guard) Write(b []byte) (int, error) {
	if len(b) > cap(g.held)-len(g.held) {
		if err := g.flush(); err != nil {
			return 0, err
		}
	}
	if len(b) <= cap(g.held) {
		g.held = append(g.held, b...)
		return len(b), nil
	}
	return g.write(b)
}

func (g *guard) write(b []byte) (int, error) {
	done, err := g.put(b)
	if err != nil || done == len(b) {
		return done, err
	}
	defer g.crew.wait()()
	if g.out != nil {
		g.out.waits()
	}
	if g.stall == 0 {
		n, err := g.Conn.Write(b[done:])
		return done + n, err
	}
	defer g.Conn.SetWriteDeadline(time.Time{}) // put heeds it, too
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

// put writes what the kernel takes at once, which needs no deadline.
func (g *guard) put(b []byte) (int, error) {
	if g.raw == nil {
		return 0, nil
	}
	n, err, closed := onSocket(g.raw, send, b)
	switch {
	case closed != nil:
		return 0, closed
	case err == syscall.EAGAIN:
		return 0, nil
	case err != nil:
		return 0, &net.OpError{Op: "write", Err: os.NewSyscallError("write", err)}
	}
	return n, nil
}

// An exchange is one send or receive on a socket. They are kept, with the function
// that syscall.RawConn wants: to make it each time was a third of what a message
// allocates.
type exchange struct {
	call func(fd uintptr, b []byte) (int, error)
	b    []byte
	n    int
	err  error
	do   func(fd uintptr)
}

var exchanges = sync.Pool{New: func() any {
	x := new(exchange)
	x.do = func(fd uintptr) { x.n, x.err = x.call(fd, x.b) }
	return x
}}

// onSocket has call, which is send or receive, done on an open socket.
func onSocket(raw syscall.RawConn, call func(uintptr, []byte) (int, error), b []byte) (n int, err, closed error) {
	x := exchanges.Get().(*exchange)
	x.call, x.b = call, b
	closed = raw.Control(x.do)
	n, err = x.n, x.err
	x.b, x.err = nil, nil
	exchanges.Put(x)
	return n, err, closed
}

// A recordEnds finds the ends of records in a stream of TLS (RFC 8446, section
// 5.1).
type recordEnds struct {
	header [5]byte
	known  int // bytes of the header
	left   int // bytes of the record behind it that are to come
}

// one says whether exactly one record ends in b, the next part of the stream, and
// b with it.
func (r *recordEnds) one(b []byte) bool {
	ends := 0
	for len(b) > 0 {
		if r.known < len(r.header) {
			n := copy(r.header[r.known:], b)
			b = b[n:]
			if r.known += n; r.known < len(r.header) {
				return false
			}
			r.left = int(r.header[3])<<8 | int(r.header[4])
		}
		n := min(len(b), r.left)
		b = b[n:]
		if r.left -= n; r.left > 0 {
			return false
		}
		r.known = 0
		ends++
	}
	return ends == 1
}

// SetWriteDeadline does nothing: Write sets its own.
func (g *guard) SetWriteDeadline(time.Time) error { return nil }
