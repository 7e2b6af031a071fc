package line

import (
	"errors"
	"io"
	"strconv"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestErrorsBeforeLogin(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{MaxErrors: 10}))
	u.say(repeat("REFUSE\nECHO a\n", 9) + repeat(repeat("a", MaxLine)+"\n", 1) + "ADD\nADD\n")
	for range 9 {
		u.hear("[ERR] no such thing", "[OK] echo a")
	}
	u.hear("[ERR] too long", "[INFO] too much")
	u.end(io.EOF)
}

func TestErrorsAfterLogin(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{MaxErrors: 3, MaxLines: 3, MaxBytes: 100}))
	u.do("BREAK", "[ERR] internal", "NO", "[ERR] unknown")
	u.login()
	for range 100 {
		u.do("REFUSE", "[ERR] no such thing")
	}
	u.do("LOGOUT", "[OK] bye")
	u.do("NO", "[ERR] unknown", "NO", "[ERR] unknown", "NO", "[ERR] unknown")
	u.hear("[INFO] too much")
	u.end(io.EOF)
}

func TestLinesBeforeLogin(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{MaxLines: 64}))
	u.say(repeat("\n", 32) + repeat("ADD\n", 31) + "ECHO 64\nECHO 65\n")
	for i := range 31 {
		u.hear("[OK] " + strconv.Itoa(i+1))
	}
	u.hear("[OK] echo 64", "[INFO] too much")
	u.end(io.EOF)
}

func TestBytesBeforeLogin(t *testing.T) {
	long := "ECHO " + repeat("a", 94) + "\n" // 100 bytes
	for name, sent := range map[string]string{
		"lines":       repeat(long, 11),
		"a long line": repeat(long, 10) + "ECHO " + repeat("a", MaxLine),
		"empty lines": repeat(long, 10) + repeat("\n", 1),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			u, _ := h.dial(t, h.listen(t, Options{MaxBytes: 1000}))
			u.say(sent)
			for range 10 {
				u.hear("[OK] echo " + repeat("a", 94))
			}
			u.hear("[INFO] too much")
			u.end(io.EOF)
		})
	}
}

// TestFlood has a line never end.
func TestFlood(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{}))
	u.login()
	u.say("ECHO " + repeat("a", MaxDiscarded-6) + "\n")
	u.hear("[ERR] too long")
	u.say("ECHO " + repeat("a", MaxDiscarded))
	u.end(io.EOF)
	if clean := await(t, h.left); clean {
		t.Error("the session counts as left on purpose")
	}
}

func TestHTTP(t *testing.T) {
	for _, request := range []string{"GET / HTTP/1.1\r\n", "POST /x HTTP/1.0\n", "ECHO HTTP/1.1\n"} {
		h := newHouse()
		u, _ := h.dial(t, h.listen(t, Options{}))
		u.say(request + "Host: a\r\n\r\nADD\n")
		u.end(io.EOF)
	}
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{}))
	u.login()
	u.do("ECHO about HTTP/1.1", "[OK] echo about HTTP/1.1")
}

func TestLoginTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		began := time.Now()
		u, _ := h.pipe(t, Options{LoginTimeout: 3 * time.Second, IdleTimeout: time.Second})
		talking := make(chan error)
		go func() {
			var err error
			for err == nil {
				time.Sleep(700 * time.Millisecond)
				_, err = io.WriteString(u.nc, "\n")
			}
			talking <- err
		}()
		u.hear("[INFO] no login came")
		u.end(io.EOF)
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("closed after %v", took)
		}
		<-talking
	})
}

func TestLogoutTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		u, _ := h.pipe(t, Options{LoginTimeout: 3 * time.Second})
		u.login()
		u.nc.SetDeadline(time.Now().Add(time.Hour))
		time.Sleep(10 * time.Minute) // no bound after login
		u.do("ECHO on", "[OK] echo on", "LOGOUT", "[OK] bye")
		began := time.Now()
		u.hear("[INFO] no login came")
		u.end(io.EOF)
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("closed %v after the logout", took)
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		u, c := h.pipe(t, Options{IdleTimeout: 2 * time.Second})
		u.nc.SetDeadline(time.Now().Add(time.Hour))
		u.login()
		for range 3 {
			time.Sleep(1900 * time.Millisecond)
			u.do("ECHO on", "[OK] echo on")
		}
		began := time.Now()
		c.Append([]byte("[MSG] an event is no sign of life\n"))
		c.Flush()
		u.hear("[MSG] an event is no sign of life", "[INFO] idle")
		u.end(io.EOF)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("closed after %v", took)
		}
		if err := <-h.ended; err != nil {
			t.Errorf("Serve returned %v", err)
		}
	})
}

// TestDataTimeout has an upload pause, and then stop. What is sent by hand may
// take its time.
func TestDataTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		u, _ := h.pipe(t, Options{IdleTimeout: time.Hour, DataTimeout: 2 * time.Second})
		u.nc.SetDeadline(time.Now().Add(time.Hour))
		u.login()
		time.Sleep(time.Minute) // between two commands
		u.do("TEXT", "[OK] send")
		time.Sleep(time.Minute)
		u.do(".", "[OK] stored")
		u.do("PUT name 3", "[OK] send")
		for range 3 {
			time.Sleep(1900 * time.Millisecond)
			u.say("x")
		}
		u.hear("[OK] stored")
		u.do("PUT name 3", "[OK] send")
		u.say("x")
		began := time.Now()
		u.hear("[INFO] idle")
		u.end(io.EOF)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("closed after %v", took)
		}
	})
}

// TestStalled has a client stop reading: its connection goes soon after the
// write timeout, and nobody else notices.
func TestStalled(t *testing.T) {
	t.Parallel()
	h := newHouse()
	addr := h.listen(t, Options{WriteTimeout: 400 * time.Millisecond, Outbox: 64 << 20})
	other, _ := h.dial(t, addr)
	u, c := h.dial(t, addr)
	u.login()
	event := []byte("[MSG] " + repeat("a", 4000) + "\n")
	for range 10000 { // more than the kernel takes
		c.Append(event)
	}
	began := time.Now()
	c.Flush()
	other.do("ECHO on", "[OK] echo on")
	if err := await(t, h.ended); err != errStalled {
		t.Errorf("Serve returned %v", err)
	}
	if took := time.Since(began); took < 400*time.Millisecond || took > 4*time.Second {
		t.Errorf("closed after %v", took)
	}
	other.do("ECHO on", "[OK] echo on")
}

// TestOverflowCloses has a client not read while it is sent too much: it is
// closed at once, and others are not held up.
func TestOverflowCloses(t *testing.T) {
	h := newHouse()
	addr := h.listen(t, Options{WriteTimeout: time.Hour, Outbox: 1 << 16})
	other, _ := h.dial(t, addr)
	u, c := h.dial(t, addr)
	u.do("ECHO in", "[OK] echo in")
	event := []byte("[MSG] " + repeat("a", 1000) + "\n")
	var overflowed error
	for range 100000 {
		c.Append(event)
		c.Flush()
		if overflowed = c.broken(); overflowed != nil {
			break
		}
	}
	if overflowed != errOverflow {
		t.Fatalf("cut for %v", overflowed)
	}
	if err := await(t, h.ended); err != errOverflow {
		t.Errorf("Serve returned %v", err)
	}
	if err := c.raw.SetDeadline(time.Time{}); err == nil {
		t.Error("the descriptor is still open")
	}
	if _, err := io.Copy(io.Discard, u.nc); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client saw %v: the kernel goes on offering what it didn't take", err)
	}
	other.do("ECHO on", "[OK] echo on")
}

// TestOwnReplies has a client pipeline without reading for a while: its
// replies slow its own reading down instead of overflowing.
func TestOwnReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		u, c := h.pipe(t, Options{Outbox: 2 * MaxReply, WriteTimeout: time.Minute})
		const n = 200
		c.Append([]byte("[MSG] keeps a writer busy\n"))
		c.Flush()
		sent := make(chan error, 1)
		go func() {
			_, err := io.WriteString(u.nc, repeat("ECHO "+repeat("a", 8000)+"\n", n))
			sent <- err
		}()
		synctest.Wait() // both sides wait for the other
		u.hear("[MSG] keeps a writer busy")
		for range n {
			u.hear("[OK] echo " + repeat("a", 8000))
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
}
