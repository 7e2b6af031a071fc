package line

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// until waits until a condition holds of a connection, whose mu is held when it is
// asked. It doesn't wait where there is no lot.
func until(t *testing.T, c *Conn, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); c.opt.Lot != nil; runtime.Gosched() {
		c.mu.Lock()
		done := holds()
		c.mu.Unlock()
		switch {
		case done:
			return
		case time.Now().After(deadline):
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// parked waits until no goroutine serves a connection any more.
func parked(t *testing.T, c *Conn) {
	t.Helper()
	until(t, c, "an idle connection has no goroutine", func() bool { return c.parked })
}

// A shredder sends what is written through it in pieces that have nothing to do
// with records: several at once, or parts of one.
type shredder struct {
	net.Conn
	rand *rand.Rand
	held []byte
}

func (s *shredder) Write(b []byte) (int, error) {
	s.held = append(s.held, b...)
	if s.rand.IntN(3) == 0 {
		return len(b), nil
	}
	return len(b), s.flush()
}

func (s *shredder) flush() error {
	for len(s.held) > 0 {
		n := min(len(s.held), 1+s.rand.IntN(1<<s.rand.IntN(14)))
		if _, err := s.Conn.Write(s.held[:n]); err != nil {
			return err
		}
		s.held = s.held[n:]
		runtime.Gosched()
	}
	return nil
}

// TestShreds has lines of all lengths arrive in shreds of records, and events in
// between. Nothing is lost, doubled or out of order, and then the client leaves
// in one piece with its last line.
func TestShreds(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse()
			addr := h.listen(t, Options{WriteTimeout: time.Minute})
			var all sync.WaitGroup
			for seed := range uint64(20) {
				all.Go(func() { h.shreds(t, addr, version, seed) })
			}
			all.Wait()
		})
	}
}

func (h *house) shreds(t *testing.T, addr string, version uint16, seed uint64) {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer raw.Close()
	random := rand.New(rand.NewPCG(seed, 0))
	shreds := &shredder{Conn: raw, rand: random}
	raw.SetDeadline(time.Now().Add(patience))
	config := clientTLS()
	config.MaxVersion = version
	// The handshake comes whole: a client waits for the answers to its flights.
	nc := tls.Client(&late{Conn: raw, shreds: shreds}, config)
	if err := nc.Handshake(); err != nil {
		t.Error(err)
		return
	}
	nc.NetConn().(*late).shaken = true
	u := NewClient(nc)
	for turn := range 30 {
		var want []string
		for line := range 1 + random.IntN(20) {
			text := fmt.Sprintf("%d.%d.%s", turn, line, repeat("x", random.IntN(1<<random.IntN(13))))
			want = append(want, "[OK] echo "+text)
			io.WriteString(nc, "ECHO "+text+"\n")
		}
		if err := shreds.flush(); err != nil {
			t.Error(err)
		}
		for _, text := range want {
			if got, err := u.ReadLine(); err != nil || got != text {
				t.Errorf("turn %d: got %.40q (%d), %v; want %.40q (%d)", turn, got, len(got), err, text, len(text))
				return
			}
		}
	}
	io.WriteString(nc, "EXIT\n")
	nc.CloseWrite()
	shreds.flush()
	for _, want := range []string{"[OK] so long", ""} {
		if got, err := u.ReadLine(); got != want || (err == io.EOF) != (want == "") {
			t.Errorf("at the end: %q, %v", got, err)
		}
	}
}

// late begins to shred when the handshake is over.
type late struct {
	net.Conn
	shreds *shredder
	shaken bool
}

func (l *late) Write(b []byte) (int, error) {
	if l.shaken {
		return l.shreds.Write(b)
	}
	return l.Conn.Write(b)
}

// SetWriteDeadline does nothing: crypto/tls would let what is held here fail
// behind a close_notify.
func (*late) SetWriteDeadline(time.Time) error { return nil }

// TestParkedEnds ends connections that no goroutine serves in every way that a
// client has.
func TestParkedEnds(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(u *user)
		want Cause
	}{
		"EXIT":         {func(u *user) { u.do("EXIT", "[OK] so long") }, Left},
		"close_notify": {func(u *user) { u.nc.(*tls.Conn).CloseWrite() }, Left},
		"FIN alone":    {func(u *user) { u.raw.CloseWrite() }, Broken},
		"RST":          {func(u *user) { u.raw.SetLinger(0); u.raw.Close() }, Broken},
		"half a line":  {func(u *user) { u.say("EXI"); u.nc.(*tls.Conn).CloseWrite() }, Left},
		"no record":    {func(u *user) { u.raw.Write([]byte("GET / HTTP/1.1\r\n\r\n")) }, Broken},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			u, c := h.dial(t, h.listen(t, Options{}))
			u.login()
			parked(t, c)
			test.end(u)
			if clean := await(t, h.left); clean != (test.want == Left) {
				t.Errorf("clean is %v", clean)
			}
			u.nc.Close()
			await(t, h.ended)
			if c.Cause() != test.want {
				t.Errorf("it is %q, want %q", c.Cause(), test.want)
			}
		})
	}
}

// TestDrained has one record come, and several together: it is known of the first
// alone that nothing more has arrived, and it is read no second time.
func TestDrained(t *testing.T) {
	h := newHouse()
	u, c := h.dial(t, h.listen(t, Options{}))
	u.login()
	if c.opt.Lot == nil {
		return // its reads wait
	}
	drained := func() (is bool) {
		until(t, c, "it is parked", func() bool {
			is = c.parked && c.guard.drained // another goroutine's else
			return c.parked
		})
		return is
	}
	alone := false
	for range 100 { // an event may come late, and is a reason to read once more
		u.do("ECHO a", "[OK] echo a")
		alone = alone || drained()
	}
	if !alone {
		t.Error("after one record it was read once more")
	}
	u.together("ECHO a\n", "ECHO b\n")
	u.hear("[OK] echo a", "[OK] echo b")
	if drained() {
		t.Error("after two records it was not read once more")
	}
}

// together sends records that arrive at the same time.
func (u *user) together(records ...string) {
	client := u.nc.(*tls.Conn).NetConn().(*guard)
	defer client.gather(make([]byte, 2*recordSize))()
	for _, text := range records {
		u.say(text)
	}
	if err := client.flush(); err != nil {
		u.t.Error(err)
	}
}

// TestLargeRecord has a record come that is larger than the room for it, alone, and
// with another one that comes before its end is taken from crypto/tls.
func TestLargeRecord(t *testing.T) {
	h := newHouse()
	u, c := h.dial(t, h.listen(t, Options{}))
	u.login()
	x, y := repeat("x", 8000), repeat("y", 8000)
	for range 20 { // crypto/tls sends full records behind the first 128 KiB
		u.do("ECHO "+x, "[OK] echo "+x)
	}
	half := func() { // of a line, so that there is less room
		u.say("WAIT\nECHO " + x)
		await(t, h.running)
		h.proceed <- struct{}{}
		u.hear("[OK] waited")
	}
	half()
	u.say("\nECHO " + y + "\nECHO " + x + "\n")
	u.hear("[OK] echo "+x, "[OK] echo "+y, "[OK] echo "+x)
	half()
	u.say("\nWAIT\nECHO " + y + "\nECHO " + x + "\n")
	await(t, h.running)
	c.mu.Lock()
	c.stirred = false // by what came before
	c.mu.Unlock()
	u.say("ECHO on\n")
	until(t, c, "an event comes", func() bool { return c.stirred })
	h.proceed <- struct{}{}
	u.hear("[OK] echo "+x, "[OK] waited", "[OK] echo "+y, "[OK] echo "+x, "[OK] echo on")
}

// TestHangUp has a client break off behind its last line, before that is read:
// no event follows.
func TestHangUp(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	h := newHouse()
	u, c := h.dial(t, h.listen(t, Options{}))
	u.login()
	parked(t, c)
	proceed := make(chan bool)
	if lot := c.opt.Lot; lot != nil {
		lot.crew.add(task(func() { <-proceed }))
	}
	u.say("ECHO on\n")
	u.raw.CloseWrite()
	until(t, c, "it is seen that nothing more comes", func() bool { return c.hungUp })
	close(proceed)
	u.hear("[OK] echo on")
	await(t, h.ended)
	if c.Cause() != Broken {
		t.Errorf("it is %q", c.Cause())
	}
}

// TestParkedTimeout has the time to wait end without a goroutine. A session that
// may be silent for ever has no timer.
func TestParkedTimeout(t *testing.T) {
	h := newHouse()
	const timeout = 100 * time.Millisecond
	began := time.Now()
	u, _ := h.dial(t, h.listen(t, Options{LoginTimeout: timeout}))
	u.hear("[INFO] no login came")
	u.end(io.EOF)
	if took := time.Since(began); took < timeout {
		t.Errorf("closed after %v", took)
	}

	u, c := h.dial(t, h.listen(t, Options{IdleTimeout: timeout}))
	u.login()
	parked(t, c)
	u.say("WAIT\n") // it isn't silent while a command runs
	await(t, h.running)
	<-time.After(timeout)
	began = time.Now()
	h.proceed <- struct{}{}
	u.hear("[OK] waited", "[INFO] idle")
	u.end(io.EOF)
	if took := time.Since(began); took < timeout {
		t.Errorf("closed %v after the end of a command", took)
	}

	u, c = h.dial(t, h.listen(t, Options{LoginTimeout: time.Minute}))
	parked(t, c)
	u.login()
	parked(t, c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alarm != nil {
		t.Error("a session that may be silent for ever has a timer")
	}
}

// TestParkedUpload has the data of an upload come late, so that it is waited for
// on a goroutine, under deadlines of its own, which must not outlive it.
func TestParkedUpload(t *testing.T) {
	h := newHouse()
	u, c := h.dial(t, h.listen(t, Options{IdleTimeout: time.Hour}))
	u.login()
	for range 3 {
		u.do("PUT name 5", "[OK] send")
		c.mu.Lock()
		if c.parked {
			t.Error("an upload has no goroutine")
		}
		c.raw.SetReadDeadline(time.Now().Add(time.Hour))
		c.mu.Unlock()
		u.say("12")
		u.say("345")
		u.hear("[OK] stored")
		parked(t, c)
	}
	u.do("TEXT", "[OK] send")
	u.say("one\n")
	u.say(".\nECHO on\n")
	u.hear("[OK] stored", "[OK] echo on")
}

// TestParkedRaces ends connections from outside just as their clients speak.
// Every one ends, once.
func TestParkedRaces(t *testing.T) {
	h := newHouse()
	addr := h.listen(t, Options{})
	const n = 60
	for i := range n {
		u, c := h.dial(t, addr)
		u.login()
		if i%2 == 0 {
			parked(t, c)
		}
		var both sync.WaitGroup
		both.Go(func() { io.WriteString(u.nc, "ECHO a\nECHO b\n") })
		both.Go(func() {
			switch i % 3 {
			case 0:
				c.Stop()
			case 1:
				c.End("go")
			default:
				c.Abort()
			}
		})
		both.Wait()
		io.Copy(io.Discard, u.nc)
		u.nc.Close()
	}
	for range n {
		await(t, h.left)
		await(t, h.ended)
	}
	h.done.Wait()
	if len(h.left)+len(h.ended) > 0 {
		t.Error("a connection ended twice")
	}
}

// TestLotCloses cancels what the lot and its connections run under, and has a
// connection come after that.
func TestLotCloses(t *testing.T) {
	h := newHouse()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	lot, err := NewLot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for range 2 {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			h.serve(t.Context(), nc, Options{TLS: serverTLS(), Lot: lot})
		}
	}()
	u, c := h.dial(t, l.Addr().String())
	u.login()
	if lot == nil {
		c.Abort() // there is none here
	} else {
		parked(t, c)
		cancel()
	}
	u.end(errTorn)
	if err := await(t, h.ended); err != errEnded {
		t.Errorf("it ended with %v", err)
	}
	cancel()
	late, c := h.dial(t, l.Addr().String())
	late.do("ECHO on", "[OK] echo on")
	c.Abort()
	h.done.Wait()
}

// TestStirred has something happen between a look at what has arrived and the
// parking that follows from it.
func TestStirred(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	c := NewConn(far, &Options{}, 1)
	resumed := make(chan bool, 2)
	c.resume = func() { resumed <- true }
	for name, happens := range map[string]func(){"event": c.wake, "Stop": c.Stop, "Abort": c.Abort} {
		c.await(false)
		happens()
		if c.park() {
			t.Errorf("%s: parked all the same", name)
		}
		c.cause, c.ending = nil, nil
		c.await(false)
		if !c.park() {
			t.Fatalf("%s: it isn't forgotten", name)
		}
		happens()
		happens()
		await(t, resumed)
		c.cause, c.ending = nil, nil
	}
	if len(resumed) > 0 {
		t.Error("a connection was resumed twice")
	}
}
