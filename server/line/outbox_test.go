package line

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// A gate is a client that takes one write at a time, when a test lets it.
type gate struct {
	mu   sync.Mutex
	took bytes.Buffer
	most int // bytes of the longest write
	open chan error
}

func (g *gate) Write(b []byte) (int, error) {
	if err := <-g.open; err != nil {
		return 0, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.most = max(g.most, len(b))
	return g.took.Write(b)
}

func ignore(error) {}

// TestRoom has a client's own replies fill the outbox while nobody writes.
func TestRoom(t *testing.T) {
	var took bytes.Buffer
	o := newOutbox(&took, 20, ignore)
	o.append([]byte("more than half\n"))
	if err := o.room(); err != nil || took.String() != "more than half\n" {
		t.Errorf("room returned %v with %q written", err, took.String())
	}
}

func TestRoomWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan error)}
		o := newOutbox(g, 20, ignore)
		o.append([]byte("more than half\n"))
		o.flush()
		got := make(chan error, 1)
		go func() { got <- o.room() }()
		synctest.Wait()
		if len(got) != 0 {
			t.Error("room didn't wait for the client")
		}
		g.open <- nil
		if err := <-got; err != nil {
			t.Error(err)
		}
	})
}

// TestWritten asks for the place of bytes that came before and after the
// connection's end.
func TestWritten(t *testing.T) {
	broken := errors.New("broken")
	open := make(chan error, 2)
	o := newOutbox(&gate{open: open}, 100, ignore)
	first := o.append([]byte("one\n"))
	open <- nil
	if err := o.drain(); err != nil {
		t.Fatal(err)
	}
	second := o.append([]byte("two\n"))
	open <- broken
	if err := o.drain(); err != broken {
		t.Fatalf("drain returned %v", err)
	}
	third := o.append([]byte("three\n"))
	if w := o.position(); w < first || w >= second || w >= third {
		t.Errorf("%d bytes are written; the ends are %d (written), %d and %d (not)", w, first, second, third)
	}
}

func TestWrittenAfterEnd(t *testing.T) {
	o := newOutbox(io.Discard, 100, ignore)
	o.stop(errClosed)
	if end := o.append([]byte("late\n")); o.position() >= end {
		t.Error("what was dropped counts as written")
	}
}

func TestOverflow(t *testing.T) {
	var why error
	o := newOutbox(io.Discard, 10, func(err error) { why = err })
	o.append([]byte("12345678\n"))
	if why != nil {
		t.Fatalf("failed below the limit: %v", why)
	}
	end := o.append([]byte("9\n"))
	if why != errOverflow {
		t.Errorf("failed with %v", why)
	}
	if o.queued() != 0 || o.position() >= end {
		t.Error("the queue was kept, or what was dropped counts as written")
	}
	if err := o.drain(); err != errOverflow {
		t.Errorf("drain returned %v", err)
	}
}

// TestJoined has many small lines and a large one leave in few, bounded writes.
func TestJoined(t *testing.T) {
	open := make(chan error)
	close(open)
	g := &gate{open: open}
	o := newOutbox(g, 1<<20, ignore)
	var want bytes.Buffer
	for i := range 5000 {
		text := []byte(repeat("x", i%30) + "\n")
		want.Write(text)
		o.append(text)
	}
	large := []byte(repeat("y", 3*recordSize) + "\n")
	want.Write(large)
	o.append(large)
	if err := o.drain(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(g.took.Bytes(), want.Bytes()) {
		t.Error("the bytes are not those that were queued")
	}
	if g.most != recordSize {
		t.Errorf("the longest write had %d bytes", g.most)
	}
	if o.queue != nil || o.bytes != 0 {
		t.Error("an empty outbox holds memory")
	}
}

// TestAppendOrder has several goroutines append and flush at once.
func TestAppendOrder(t *testing.T) {
	open := make(chan error)
	close(open)
	g := &gate{open: open}
	o := newOutbox(g, 1<<20, ignore)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 200 {
				o.append([]byte{byte('a' + i), byte(n)})
				o.flush()
			}
		})
	}
	wg.Wait()
	if err := o.drain(); err != nil {
		t.Fatal(err)
	}
	var next [8]int
	for b := g.took.Bytes(); len(b) > 0; b = b[2:] {
		if who := b[0] - 'a'; int(b[1]) != next[who] {
			t.Fatalf("of %c came %d, want %d", b[0], b[1], next[who])
		} else {
			next[who]++
		}
	}
	if o.position() != 2*8*200 {
		t.Errorf("%d bytes written", o.position())
	}
}

// TestDataHolds has events wait for the end of a reply's data.
func TestDataHolds(t *testing.T) {
	var took bytes.Buffer
	o := newOutbox(&took, 100, ignore)
	o.append([]byte("before\n"))
	d, err := o.data()
	if err != nil {
		t.Fatal(err)
	}
	o.append([]byte("event\n"))
	o.flush()
	o.push()
	d.Write([]byte("data\n"))
	if err := o.write(); err != nil {
		t.Fatal(err)
	}
	if took.String() != "before\ndata\nevent\n" {
		t.Errorf("written: %q", took.String())
	}
}

// TestTurn waits for what is being written, but not for a client that takes
// nothing. On several processors a turn is done beside the write before it.
func TestTurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	h := newHouse()
	addr := h.listen(t, Options{Outbox: 64 << 20})
	stuck, held := h.dial(t, addr)
	stuck.login()
	u, c := h.dial(t, addr)
	u.login()
	lot := c.opt.Lot
	if lot == nil {
		return // outside of a lot nobody waits
	}
	held.Append([]byte(repeat("[MSG] hai\n", 4<<20)))
	held.Flush()
	lot.Turn()
	if held.out.queued() == 0 {
		t.Fatal("the client was to take nothing")
	}
	for range 100 {
		end := c.Append([]byte("[MSG] hai\n"))
		c.Flush()
		lot.Turn()
		if c.out.position() < end {
			t.Fatal("not written")
		}
	}
	held.Abort()
}
