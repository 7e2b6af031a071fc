package line

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestRows(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{}))
	for _, n := range []string{"0", "1", "20000"} {
		a, err := u.Do("ROWS " + n + " " + n)
		if err != nil || a.Text != n+" baris" {
			t.Errorf("ROWS %s: %q, %v", n, a.Text, err)
		}
		if strconv.Itoa(len(a.Rows)) != n || len(a.Rows) > 0 && a.Rows[len(a.Rows)-1] != "row "+strconv.Itoa(len(a.Rows)-1) {
			t.Errorf("ROWS %s: %d rows, or not in order", n, len(a.Rows))
		}
	}
	u.do("ECHO on", "[OK] echo on")
}

func TestBytes(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{}))
	for _, n := range []string{"0", "1", "262144", "1000000"} {
		a, err := u.Do("BYTES " + n + " " + n)
		if err != nil || a.Text != n+" byte" {
			t.Errorf("BYTES %s: %q, %v", n, a.Text, err)
		}
		var got bytes.Buffer
		if err := u.ReadData(&got, a.Bytes); err != nil || int64(got.Len()) != a.Bytes {
			t.Errorf("BYTES %s: %d bytes, %v", n, got.Len(), err)
		}
		await(t, h.body.closed)
	}
	u.do("BYTES 1 2 error", "[ERR] no such thing")
	await(t, h.body.closed)
	u.do("ECHO on", "[OK] echo on")
}

// A lazyBody takes its time for what it gives, or gives less than it is asked
// for, and looks at what has come of it by then.
type lazyBody struct {
	pause time.Duration
	part  int
	look  func()
}

func (b lazyBody) Read(p []byte) (int, error) {
	time.Sleep(b.pause)
	b.look()
	return (len(p) + b.part - 1) / b.part, nil
}

// TestLazyBody has what there is of a body passed on, though there is room for
// more of it in a system call.
func TestLazyBody(t *testing.T) {
	for _, body := range []lazyBody{{pause: 2 * heldTime, part: 1}, {part: 2}} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer near.Close()
			var came atomic.Int64
			go io.Copy(counter{&came}, near)
			c := NewConn(far, &Options{}, 1)
			call := &Call{conn: c, count: 2*sendSize + 1}
			const line = "[OK] 131073 byte\n"
			body.look = func() {
				synctest.Wait()
				if want := call.moved; want > 0 && came.Load() != want+int64(len(line)) {
					t.Errorf("%+v: %d bytes have come of %d", body, came.Load()-int64(len(line)), want)
				}
			}
			call.body = body
			if err := c.send(call.sendBytes); err != nil || call.moved != call.count {
				t.Errorf("%+v: %d bytes, %v", body, call.moved, err)
			}
			c.Abort()
		})
	}
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return len(b), nil
}

// TestPromise has a reply's data break off.
func TestPromise(t *testing.T) {
	for _, command := range []string{
		"ROWS 3 2", "ROWS 0 1", "ROWS 2 3", "ROWS 3 2 error", "ROWS 20000 19999",
		"BYTES 3 2", "BYTES 1000000 999999",
	} {
		t.Run(command, func(t *testing.T) {
			h := newHouse()
			u, _ := h.dial(t, h.listen(t, Options{}))
			u.say(command + "\n")
			if _, err := io.Copy(io.Discard, u.nc); !errors.Is(err, errTorn) {
				t.Errorf("the client saw %v, want an end without close_notify", err)
			}
			if clean := await(t, h.left); clean {
				t.Error("the session counts as left on purpose")
			}
		})
	}
}

// TestEventsWait has events come while data is being sent.
func TestEventsWait(t *testing.T) {
	h := newHouse()
	u, c := h.dial(t, h.listen(t, Options{}))
	u.say("ROWS 3000 3000 pause\n")
	await(t, h.running)
	end := c.Append([]byte("[MSG] meanwhile\n"))
	c.Flush()
	if c.out.position() >= end {
		t.Error("an event was written inside of data")
	}
	h.proceed <- struct{}{}
	a, err := u.Answer()
	if err != nil || len(a.Rows) != 3000 || slices.Contains(a.Rows, "[MSG] meanwhile") {
		t.Fatalf("%d rows, %v", len(a.Rows), err)
	}
	u.hear("[MSG] meanwhile")
}

// TestPanicInData has a panic come in the middle of data, with an event queued.
func TestPanicInData(t *testing.T) {
	h := newHouse()
	u, c := h.dial(t, h.listen(t, Options{}))
	u.say("ROWS 3000 3000 panic\n")
	await(t, h.running)
	c.Append([]byte("[MSG] meanwhile\n"))
	c.Flush()
	h.proceed <- struct{}{}
	all, err := io.ReadAll(u.nc)
	if !errors.Is(err, errTorn) {
		t.Errorf("the client saw %v, want an end without close_notify", err)
	}
	if !bytes.HasPrefix(all, []byte("[OK] 3000 baris\n")) || bytes.Contains(all, []byte("MSG")) {
		t.Errorf("an event inside of data: ...%q", all[max(0, len(all)-100):])
	}
}

func TestPanicClosesBody(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{}))
	u.say("BYTES 1 1 panic\n")
	await(t, h.running)
	h.proceed <- struct{}{}
	await(t, h.body.closed)
	u.end(errTorn)
}
