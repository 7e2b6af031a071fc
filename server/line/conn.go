package line

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// Options are the bounds of an engine's connections, which share them. A zero
// duration or count means no bound, except where it is said.
type Options struct {
	Log              *slog.Logger // nil: nowhere
	TLS              *tls.Config  // nil: plain, for a Unix socket
	HandshakeTimeout time.Duration
	// Slots bounds how many handshakes compute at once, over all engines that
	// share it: see NewSlots. It may be nil.
	Slots        chan struct{}
	LoginTimeout time.Duration // from accept, or from a logout, to login
	IdleTimeout  time.Duration // after login, without a line or a byte of data
	DataTimeout  time.Duration // without a byte of an upload whose size is known; 0: IdleTimeout
	WriteTimeout time.Duration // without the client taking a byte
	Outbox       int           // bytes that may wait for a client; 0: 1 MiB
	Counters     *Counters     // may be nil
	Lot          *Lot          // where idle connections wait; nil: each on its goroutine
	// What a client may do before login.
	MaxErrors, MaxLines, MaxBytes int
}

// NewSlots returns n places for Options.Slots.
func NewSlots(n int) chan struct{} {
	slots := make(chan struct{}, n)
	for range n {
		slots <- struct{}{}
	}
	return slots
}

const (
	lingerTime  = 2 * time.Second        // for the client to see why its connection ends
	shakeTime   = 2 * time.Second        // for handshakes under way when the server stops
	cutAfter    = 500 * time.Millisecond // the same, where the server is in a hurry
	maxUnderWay = 256                    // of Async commands on one connection
)

// Reasons for which a connection ends.
var (
	errStopped = errors.New("line: the server stops")
	errEnded   = errors.New("line: the session was ended from outside")
	errFinal   = errors.New("line: the client has left")
	errRefused = errors.New("line: nothing more is read from this client")
)

// A Conn is one client's connection and the state of its session.
//
// Append, Flush, Stop and End may be called from any goroutine; the
// rest belongs to the connection's own, which runs the commands.
type Conn struct {
	opt    *Options
	id     uint64 // in the log
	words  *Phrases
	raw    net.Conn // below TLS
	guard  *guard   // likewise
	nc     net.Conn // what is read from and written to
	out    *outbox
	since  time.Time // the beginning of the connection, or the last login, logout or sign of life
	resume func()    // serves it on

	in       input
	drained  bool   // the last read has left nothing to read
	first    []byte // a read that waits goes here, so that it holds no buffer
	place    uint64 // in the lot; 0: none
	crew     *crew  // that serves it there
	held     string // a line that is to wait; "" for none
	until    time.Time
	loggedIn bool
	sized    bool // the data of an upload comes from a program, which doesn't pause
	errors   int  // of commands before login, as are the lines
	lines    int
	clean    bool // the client has left on purpose
	why      Cause

	mu        sync.Mutex
	cancel    context.CancelFunc
	cause     error     // why it was cut, for the log
	underWay  int       // Async commands without an answer
	answered  sync.Cond // underWay has shrunk
	shaking   bool      // the TLS handshake is not over: Stop leaves it some time
	receiving bool      // Stop doesn't interrupt the data of an upload
	ending    error     // errStopped or errEnded
	farewell  string
	parked    bool        // no goroutine serves it
	stirred   bool        // something has happened since the last look at what has arrived
	hungUp    bool        // the client sends nothing more: there is an end to read
	alarm     *time.Timer // for the end of the time to wait
}

// complete returns the options with what stands for the zero values.
func (opt *Options) complete() *Options {
	if opt.Outbox != 0 && opt.Counters != nil && opt.Log != nil {
		return opt
	}
	own := *opt
	own.Outbox = cmp.Or(own.Outbox, 1<<20)
	own.Counters = cmp.Or(own.Counters, new(Counters))
	own.Log = cmp.Or(own.Log, slog.New(slog.DiscardHandler))
	return &own
}

// NewConn prepares a connection that Dialect.Start will have served, and that the
// log knows by id, unless that is 0. The options must not change any more. Append,
// Stop and End work on the connection already.
func NewConn(nc net.Conn, opt *Options, id uint64) *Conn {
	opt = opt.complete()
	c := &Conn{opt: opt, raw: nc, id: id, since: time.Now()}
	c.answered.L = &c.mu
	c.guard = &guard{Conn: nc, stall: opt.WriteTimeout, tls: opt.TLS != nil}
	c.nc = c.guard
	if opt.TLS != nil {
		c.nc, c.shaking = tls.Server(c.guard, opt.TLS), true
	}
	c.out = newOutbox(c.nc, opt.Outbox, c.cut)
	c.guard.out = c.out
	return c
}

// RemoteAddr is the client's address.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// TLS is the state of the connection's TLS, empty for one without. It must not
// be called before the handshake is over.
func (c *Conn) TLS() tls.ConnectionState {
	if conn, ok := c.nc.(*tls.Conn); ok {
		return conn.ConnectionState()
	}
	return tls.ConnectionState{}
}

// Log returns the connection's logger. It is made when it is asked for, since most
// connections have nothing to log for most of their time.
func (c *Conn) Log() *slog.Logger {
	if c.id == 0 {
		return c.opt.Log
	}
	return c.opt.Log.With("conn", c.id)
}

// SetLoggedIn says that a login or a logout has succeeded.
func (c *Conn) SetLoggedIn(in bool) {
	c.loggedIn = in
	c.errors, c.lines, c.in.taken, c.since = 0, 0, 0, time.Now()
}

// Append queues b, which holds whole lines and must never change afterwards,
// and returns its end in the stream of what was queued for this client. It
// never waits: a client that doesn't read loses its connection. Flush must be
// called afterwards.
func (c *Conn) Append(b []byte) (end int64) { return c.out.append(b) }

// Heard says which read from the network brought the last bytes of the command
// that runs, and how far in that stream the connection had taken bytes by then.
// What was written later the client can't have known when it sent the command.
func (c *Conn) Heard() (read, written int64) { return c.guard.reads, c.guard.written }

// Flush has what is queued written. It never waits.
func (c *Conn) Flush() { c.out.flush() }

// Stop lets the running command end, an upload included, then says the
// dialect's farewell and closes.
func (c *Conn) Stop() { c.end(errStopped, "") }

// End says why and closes the connection; a transfer is cut off.
func (c *Conn) End(why string) {
	c.end(errEnded, why)
	time.AfterFunc(cutAfter, func() { c.cut(errEnded) })
}

// Abort closes the connection at once, without a word.
func (c *Conn) Abort() { c.cut(errEnded) }

func (c *Conn) end(why error, farewell string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == errEnded {
		return
	}
	c.ending, c.farewell = why, farewell
	switch {
	case why == errStopped && c.shaking: // whoever is at the door is told, too
		c.raw.SetReadDeadline(time.Now().Add(shakeTime))
	case why == errEnded || !c.receiving:
		c.raw.SetReadDeadline(time.Unix(1, 0))
	}
	if why == errEnded && c.cancel != nil {
		c.cancel()
	}
	c.rouse()
}

// cut closes the descriptor, whatever is going on.
func (c *Conn) cut(err error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = err
	}
	if c.cancel != nil {
		c.cancel()
	}
	c.mu.Unlock()
	if reset, ok := c.raw.(interface{ SetLinger(int) error }); ok && (err == errOverflow || err == errStalled) {
		reset.SetLinger(0) // or the kernel would go on offering what the client doesn't take
	}
	c.raw.Close()
	c.out.stop(errClosed)
	c.wake()
}

// due is when the wait for the client's next line ends, or that of the one that
// is held; never, if it is zero.
func (c *Conn) due() time.Time {
	switch {
	case c.held != "":
		return c.until
	case !c.loggedIn && c.opt.LoginTimeout > 0:
		return c.since.Add(c.opt.LoginTimeout)
	case c.sized && c.opt.DataTimeout > 0:
		return c.since.Add(c.opt.DataTimeout)
	case c.loggedIn && c.opt.IdleTimeout > 0:
		return c.since.Add(c.opt.IdleTimeout)
	}
	return time.Time{}
}

// heard notes a sign of life, which is none before login.
func (c *Conn) heard() {
	if c.loggedIn && (c.opt.IdleTimeout > 0 || c.opt.DataTimeout > 0) {
		c.since = time.Now()
	}
}

// await prepares the next read, unless the connection is to end: its deadline,
// if it waits for the client.
func (c *Conn) await(waits bool) error {
	if waits {
		c.heard() // what it was busy with until now
	}
	at := c.due()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ending == errEnded || c.ending != nil && !c.receiving:
		return c.ending
	case waits:
		return c.raw.SetReadDeadline(at)
	case !c.loggedIn && past(at): // whatever arrives
		return os.ErrDeadlineExceeded
	}
	c.stirred = c.hungUp
	return nil
}

// read reads into b under the deadline of the moment. If that was moved to end
// the connection, it says so. A connection in a lot waits for nothing but the
// data of an upload; else it returns errNothing.
func (c *Conn) read(b []byte) (int, error) {
	waits := c.waits()
	if err := c.await(waits); err != nil {
		return 0, err
	}
	c.guard.hasty, c.guard.drained = !waits, false
	n, err := c.nc.Read(b)
	c.drained = 0 < n && n < len(b) && c.guard.drained
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.ending != nil {
			return 0, c.ending
		}
	}
	switch {
	case n > 0:
		c.heard()
		return n, nil
	case err == errNothing && past(c.due()):
		return 0, os.ErrDeadlineExceeded
	}
	return 0, err
}

// past says whether a time that is not zero has come.
func past(at time.Time) bool { return !at.IsZero() && !time.Now().Before(at) }

// waits says whether a read waits for the client.
func (c *Conn) waits() bool { return c.place == 0 || c.receiving }

// readLine returns the next line. errTooLong comes with how the line began; any
// other error ends the connection.
func (c *Conn) readLine() (string, error) {
	for {
		line, ok, err := c.in.next()
		if !c.loggedIn && c.opt.MaxBytes > 0 && c.in.taken > int64(c.opt.MaxBytes) {
			c.info(c.words.TooMuch)
			return "", errRefused
		}
		if ok || err != nil {
			return line, err
		}
		c.out.push()
		if c.drained && !c.waits() {
			c.drained = false // the next time something has arrived
			return "", errNothing
		}
		if err := c.more(); err != nil {
			return "", err
		}
	}
}

// more reads what has arrived. An idle connection holds no buffer.
func (c *Conn) more() error {
	if c.in.buf != nil || !c.waits() {
		n, err := c.read(c.in.room())
		c.in.added(n)
		return err
	}
	if c.first == nil {
		c.first = make([]byte, 64)
	}
	n, err := c.read(c.first)
	if n > 0 {
		copy(c.in.room(), c.first[:n])
		c.in.added(n)
	}
	return err
}

// handshake makes sure of TLS before anything is read.
func (c *Conn) handshake(ctx context.Context) error {
	conn, ok := c.nc.(*tls.Conn)
	if !ok {
		return nil
	}
	if c.opt.HandshakeTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.opt.HandshakeTimeout)
		defer cancel()
	}
	g := c.guard
	if c.opt.Slots != nil {
		select {
		case <-c.opt.Slots:
			g.slots = c.opt.Slots
			defer func() { g.slots = nil; c.opt.Slots <- struct{}{} }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := conn.HandshakeContext(ctx)
	c.mu.Lock()
	c.shaking = false
	c.mu.Unlock()
	return err
}

func (c *Conn) stopping() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending
}

// begin notes that an Async command has no answer yet, and waits while there
// are too many of them.
func (c *Conn) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waitUnder(maxUnderWay)
	c.underWay++
}

// waitUnder waits until fewer than n Async commands are without an answer. The
// caller holds mu.
func (c *Conn) waitUnder(n int) {
	if c.underWay < n {
		return
	}
	defer c.crew.wait()()
	for c.underWay >= n {
		c.answered.Wait()
	}
}

func (c *Conn) finish() {
	c.mu.Lock()
	c.underWay--
	c.answered.Broadcast()
	c.mu.Unlock()
}

// settle waits until every Async command has its answer.
func (c *Conn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waitUnder(1)
}

// broken is why the connection was cut, or nil.
func (c *Conn) broken() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// reply queues one line.
func (c *Conn) reply(prefix, text string) {
	c.out.append([]byte(prefix + text + "\n"))
	if c.out.queued() >= recordSize {
		c.out.push()
	}
}

// info queues an [INFO] line, if there is something to say.
func (c *Conn) info(text string) {
	if text != "" {
		c.reply(infoPrefix, text)
	}
}

// depart writes what is queued, tells the client that nothing more follows, and
// closes once the client has done so too, or the time to linger is over: a
// close with unread bytes would make the client's kernel throw away what the
// client has not read yet. The writer's place is kept, as nothing may be
// written behind the end.
func (c *Conn) depart(linger time.Duration) {
	defer c.cut(errClosed)
	if _, err := c.out.data(); err != nil {
		return
	}
	if conn, ok := c.nc.(*tls.Conn); ok && conn.CloseWrite() != nil {
		return
	}
	half, ok := c.raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || linger == 0 {
		return
	}
	c.mu.Lock()
	c.raw.SetReadDeadline(time.Now().Add(linger))
	c.mu.Unlock()
	io.Copy(io.Discard, c.raw)
}
