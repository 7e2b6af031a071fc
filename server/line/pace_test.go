package line

import (
	"io"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// TestPace has a command wait, and what follows it too; others notice nothing.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		u, _ := h.pipe(t, Options{IdleTimeout: time.Second})
		other, _ := h.pipe(t, Options{})
		u.nc.SetDeadline(time.Time{})
		u.login()
		u.do("SLOW 0", "[OK] at last") // no time at all
		began := time.Now()
		go io.WriteString(u.nc, "ADD\nSLOW 5s\nADD\nSLOW 2s\nADD\n") // a pipe is read from later, too
		u.hear("[OK] 1")
		other.do("ADD", "[OK] 1")
		if took := time.Since(began); took > 0 {
			t.Errorf("what came before waited %v", took)
		}
		for i, want := range []time.Duration{5 * time.Second, 7 * time.Second} {
			u.hear("[OK] at last", "[OK] "+string(rune('2'+i)))
			if took := time.Since(began); took != want {
				t.Errorf("after %v, want %v", took, want)
			}
		}
		u.hear("[INFO] idle")
		u.end(io.EOF)
		if took := time.Since(began); took != 8*time.Second {
			t.Errorf("it was idle after %v", took)
		}
	})
}

// TestNotYet has a command find no room at first. What follows waits, and the
// answers come in their order.
func TestNotYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		u, _ := h.pipe(t, Options{})
		u.nc.SetDeadline(time.Time{})
		began := time.Now()
		go io.WriteString(u.nc, "ADD\nFULL\nADD\nFULL\n")
		u.hear("[OK] 1", "[OK] room", "[OK] 2", "[OK] room")
		if took := time.Since(began); took != 4*retryTime {
			t.Errorf("it took %v", took)
		}
	})
}

// TestPaceOnce has the wait be asked for once, however often the connection
// wakes meanwhile.
func TestPaceOnce(t *testing.T) {
	h := newHouse()
	opened := make(chan *visitor, 1)
	open := h.dialect.Open
	h.dialect.Open = func(c *Conn) *visitor {
		v := open(c)
		opened <- v
		return v
	}
	u, c := h.dial(t, h.listen(t, Options{}))
	v := await(t, opened)
	u.login()
	began := time.Now()
	u.say("SLOW 200ms\n")
	for range 20 {
		u.say("ADD\n")
		c.wake()
	}
	u.hear("[OK] at last")
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("it waited %v", took)
	}
	for range 20 {
		if _, err := u.ReadLine(); err != nil {
			t.Fatal(err)
		}
	}
	if v.paced != 1 {
		t.Errorf("its pace was asked %d times", v.paced)
	}
}

// TestPaceHolds has a client send on while its line waits: nothing is read, and
// no goroutine is there.
func TestPaceHolds(t *testing.T) {
	h := newHouse()
	u, c := h.dial(t, h.listen(t, Options{}))
	u.login()
	u.say("SLOW 1h\n")
	holds(t, c)
	if err := u.raw.SetWriteBuffer(4096); err != nil {
		t.Fatal(err)
	}
	u.raw.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := u.nc.Write(make([]byte, 64<<20)); !os.IsTimeout(err) {
		t.Errorf("%d bytes were taken, %v", n, err)
	}
	c.mu.Lock()
	if !c.parked {
		t.Error("what arrived has woken the connection")
	}
	c.mu.Unlock()
	c.Append([]byte("[MSG] an event is told all the same\n"))
	c.Flush()
	u.hear("[MSG] an event is told all the same")
}

// holds waits until a line of the connection waits.
func holds(t *testing.T, c *Conn) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		c.mu.Lock()
		held := c.parked && c.held != ""
		c.mu.Unlock()
		if held {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no line waits")
		}
	}
}

// TestPaceEnds ends a connection one of whose lines waits: it is not run.
func TestPaceEnds(t *testing.T) {
	for name, ending := range endings {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			u, c := h.dial(t, h.listen(t, Options{}))
			u.login()
			u.say("SLOW 1h\nADD\n")
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
