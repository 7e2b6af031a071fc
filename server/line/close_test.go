package line

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestCutTwice ends a connection for reasons of several types.
func TestCutTwice(t *testing.T) {
	h := newHouse()
	u, c := h.pipe(t, Options{})
	reason := &net.OpError{Op: "write", Err: errStalled}
	c.cut(reason)
	c.cut(errOverflow)
	u.end(io.EOF)
	if err := await(t, h.ended); err != reason {
		t.Errorf("Serve returned %v, want the first reason", err)
	}
}

// TestClean ends sessions in every way that a client has.
func TestClean(t *testing.T) {
	for name, test := range map[string]struct {
		end   func(u *user)
		clean bool
	}{
		"EXIT":         {func(u *user) { u.do("EXIT", "[OK] so long") }, true},
		"close_notify": {func(u *user) { u.nc.(*tls.Conn).CloseWrite() }, true},
		"FIN alone":    {func(u *user) { u.raw.CloseWrite() }, false},
		"RST":          {func(u *user) { u.raw.SetLinger(0); u.raw.Close() }, false},
		"half a line":  {func(u *user) { u.say("EXIT"); u.raw.CloseWrite() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			u, _ := h.dial(t, h.listen(t, Options{}))
			u.do("ECHO in", "[OK] echo in")
			test.end(u)
			if clean := await(t, h.left); clean != test.clean {
				t.Errorf("clean is %v", clean)
			}
			u.nc.Close()
			if err := await(t, h.ended); (err == nil) != test.clean {
				t.Errorf("Serve returned %v", err)
			}
		})
	}
}

// TestCleanOverflow has a client say EXIT, but not read what it was sent before.
func TestCleanOverflow(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{}))
	u.say("GORGE\n")
	if clean := await(t, h.left); clean {
		t.Error("the session counts as left on purpose")
	}
	if err := await(t, h.ended); err != errOverflow {
		t.Errorf("it ended with %v", err)
	}
}

// endings are the ways to end a connection from outside, with the farewell that
// an idle client hears.
var endings = map[string]struct {
	end      func(c *Conn)
	farewell []string
	how      error
}{
	"Stop":              {(*Conn).Stop, []string{"[INFO] stopping"}, io.EOF},
	"Stop twice":        {func(c *Conn) { c.Stop(); c.Stop() }, []string{"[INFO] stopping"}, io.EOF},
	"End":               {func(c *Conn) { c.End("go") }, []string{"[INFO] go"}, io.EOF},
	"End twice":         {func(c *Conn) { c.End("go"); c.End("no") }, []string{"[INFO] go"}, io.EOF},
	"End, then Stop":    {func(c *Conn) { c.End("go"); c.Stop() }, []string{"[INFO] go"}, io.EOF},
	"End without a why": {func(c *Conn) { c.End("") }, nil, io.EOF},
	"Abort":             {(*Conn).Abort, nil, errTorn},
}

func TestEndIdle(t *testing.T) {
	for name, ending := range endings {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			u, c := h.dial(t, h.listen(t, Options{IdleTimeout: time.Hour}))
			u.login()
			parked(t, c)
			ending.end(c)
			u.hear(ending.farewell...)
			u.end(ending.how)
			u.nc.Close()
			if clean := await(t, h.left); clean {
				t.Error("the session counts as left on purpose")
			}
			await(t, h.ended)
		})
	}
}

// TestEndCommand ends the connection while a command runs. Stop alone lets it
// finish; what follows it isn't run.
func TestEndCommand(t *testing.T) {
	for name, ending := range endings {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			u, c := h.dial(t, h.listen(t, Options{}))
			u.login()
			u.say("ADD\nWAIT\nADD\n")
			await(t, h.running)
			ending.end(c)
			if strings.HasPrefix(name, "Stop") {
				h.proceed <- struct{}{}
				u.hear("[OK] 1", "[OK] waited")
			} else if name != "Abort" {
				u.hear("[OK] 1")
			}
			if name == "Abort" {
				if _, err := io.ReadAll(u.nc); err == nil {
					t.Error("a connection that was aborted ended well")
				}
				return
			}
			u.hear(ending.farewell...)
			u.end(ending.how)
		})
	}
}

// TestEndUpload ends the connection in the middle of an upload. Stop alone lets
// it finish.
func TestEndUpload(t *testing.T) {
	for name, ending := range endings {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			u, c := h.dial(t, h.listen(t, Options{IdleTimeout: time.Hour}))
			u.login()
			u.do("PUT name 10", "[OK] send")
			u.say("01234")
			ending.end(c)
			if strings.HasPrefix(name, "Stop") {
				u.say("56789ADD\n")
				u.hear("[OK] stored")
			}
			u.hear(ending.farewell...)
			u.end(ending.how)
		})
	}
}

// TestEndDownload ends the connection while a client takes no more of a
// download. Stop waits; the others don't.
func TestEndDownload(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Conn){"End": func(c *Conn) { c.End("go") }, "Abort": (*Conn).Abort} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			u, c := h.dial(t, h.listen(t, Options{}))
			u.say("BYTES 1000000000 1000000000\n")
			if _, err := u.Answer(); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			end(c)
			await(t, h.ended)
			if took := time.Since(began); took > cutAfter+time.Second {
				t.Errorf("it took %v", took)
			}
			await(t, h.body.closed)
		})
	}
}

// TestEndHandshake ends a connection whose client hasn't shaken hands.
func TestEndHandshake(t *testing.T) {
	t.Parallel()
	for name, ending := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse()
			near, far := net.Pipe()
			defer near.Close()
			c := h.serve(t.Context(), far, Options{TLS: serverTLS()})
			ending.end(c)
			await(t, h.ended)
			if len(h.opened) != 0 {
				t.Error("a session was opened")
			}
		})
	}
}

// TestEndBeforeServe ends a connection that isn't served yet.
func TestEndBeforeServe(t *testing.T) {
	for name, ending := range endings {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			near, far := net.Pipe()
			defer near.Close()
			u := newUser(t, near)
			c := NewConn(far, &Options{}, 1)
			ending.end(c)
			h.start(t.Context(), c)
			u.hear(ending.farewell...)
			u.end(io.EOF) // a pipe knows no other
			await(t, h.ended)
		})
	}
}

// TestEndStuck ends a connection whose client takes no bytes.
func TestEndStuck(t *testing.T) {
	for name, ending := range endings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse()
				_, c := h.pipe(t, Options{WriteTimeout: 10 * time.Second})
				c.Append([]byte("[MSG] nobody reads\n"))
				c.Flush()
				synctest.Wait()
				began := time.Now()
				ending.end(c)
				<-h.ended
				bound := cutAfter
				if strings.HasPrefix(name, "Stop") {
					bound = 10 * time.Second // the write timeout
				}
				if took := time.Since(began); took > bound {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// TestEndAsync ends a connection while it is owed answers: it goes once it has
// them, whether the client is still there or not.
func TestEndAsync(t *testing.T) {
	for name, ending := range endings {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			u, c := h.dial(t, h.listen(t, Options{}))
			u.say("LATER\nLATER\n")
			first, second := await(t, h.later), await(t, h.later)
			ending.end(c)
			first(nil)
			select {
			case <-h.left:
				t.Error("the session was closed with a command under way")
			default:
			}
			second(errCore)
			if ending.how == io.EOF {
				u.hear("[OK] at last", "[ERR] no such thing")
				u.hear(ending.farewell...)
			}
			u.end(ending.how)
			await(t, h.left)
		})
	}
}

// TestContext cancels what a server's connections run under.
func TestContext(t *testing.T) {
	h := newHouse()
	ctx, cancel := context.WithCancel(t.Context())
	idle, idleFar := net.Pipe()
	busy, busyFar := net.Pipe()
	h.serve(ctx, idleFar, Options{})
	h.serve(ctx, busyFar, Options{})
	newUser(t, idle).do("ECHO in", "[OK] echo in")
	newUser(t, busy).say("WAIT\n")
	await(t, h.running)
	cancel()
	for _, nc := range []net.Conn{idle, busy} {
		if text, err := io.ReadAll(nc); len(text) > 0 || err != nil {
			t.Errorf("heard %q, %v", text, err)
		}
		await(t, h.ended)
	}
}

// TestFinal has commands follow one that ends the connection.
func TestFinal(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{}))
	u.say("ADD\nquit\nADD\n" + repeat("ADD\n", 10000))
	u.hear("[OK] 1", "[OK] so long")
	u.end(io.EOF)
	u.raw.Close()
	if err := await(t, h.ended); err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

// TestLinger has a client send on while its connection ends: it must see why,
// not a reset, and not hold the server for long.
func TestLinger(t *testing.T) {
	t.Parallel()
	for name, ending := range map[string]func(u *user, c *Conn){
		"[OK] so long":    func(u *user, _ *Conn) { u.say("EXIT\n") },
		"[INFO] stopping": func(_ *user, c *Conn) { c.Stop() },
		"[INFO] go":       func(_ *user, c *Conn) { c.End("go") },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			u, c := h.dial(t, h.listen(t, Options{}))
			u.say("WAIT\n")
			await(t, h.running)
			u.say(repeat("ADD\n", 1000))
			if name == "[OK] so long" {
				h.proceed <- struct{}{}
				for range 1001 {
					if _, err := u.ReadLine(); err != nil {
						t.Fatal(err)
					}
				}
				ending(u, c)
			} else {
				ending(u, c)
				if strings.Contains(name, "stopping") {
					h.proceed <- struct{}{}
					u.hear("[OK] waited")
				}
			}
			u.hear(name)
			u.end(io.EOF)
			for range 200 {
				if _, err := u.raw.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
			}
			if name != "[INFO] go" { // this one never closes
				u.raw.Close()
			}
			await(t, h.ended)
		})
	}
}

// TestNothingBehindTheEnd has an event come while the connection lingers.
func TestNothingBehindTheEnd(t *testing.T) {
	h := newHouse()
	u, c := h.dial(t, h.listen(t, Options{}))
	u.do("EXIT", "[OK] so long")
	u.end(io.EOF)
	end := c.Append([]byte("[MSG] too late\n"))
	c.out.push()
	if err := c.broken(); err != nil {
		t.Errorf("an event cut the connection: %v", err)
	}
	if c.out.position() >= end {
		t.Error("an event behind the end counts as written")
	}
}

// TestEndBetweenReads ends the connection while its upload's sink is at work, so
// that no read is there to be woken.
func TestEndBetweenReads(t *testing.T) {
	h := newHouse()
	u, c := h.dial(t, h.listen(t, Options{IdleTimeout: time.Hour}))
	h.sink = writerFunc(func(b []byte) (int, error) {
		c.End("go")
		return len(b), nil
	})
	u.login()
	u.do("PUT name "+strconv.Itoa(2*receiveSize), "[OK] send")
	u.say(repeat("x", receiveSize))
	u.hear("[INFO] go")
	u.end(io.EOF)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
