package line

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
)

// A countingConn counts what would be system calls.
type countingConn struct {
	net.Conn
	reads, writes atomic.Int64
}

func (c *countingConn) Read(b []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(b)
}

func (c *countingConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// TestGather has the records of a download leave together, but for small ones.
func TestGather(t *testing.T) {
	h := newHouse()
	near, far := net.Pipe()
	counting := &countingConn{Conn: far}
	h.serve(t.Context(), counting, Options{TLS: serverTLS()})
	t.Cleanup(func() {
		near.Close()
		h.done.Wait()
	})
	u := newUser(t, tls.Client(near, clientTLS()))
	u.do("ECHO on", "[OK] echo on")
	for _, test := range []struct{ bytes, writes int }{{4 << 20, 32}, {100, 1}, {4 << 20, 32}} {
		before := counting.writes.Load()
		a, err := u.Do("BYTES " + strconv.Itoa(test.bytes) + " " + strconv.Itoa(test.bytes))
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := u.ReadData(&got, a.Bytes); err != nil || got.Len() != test.bytes {
			t.Fatalf("%d bytes, %v", got.Len(), err)
		}
		await(t, h.body.closed)
		u.do("ECHO on", "[OK] echo on")
		if n := counting.writes.Load() - before - 1; n > int64(test.writes) {
			t.Errorf("%d bytes took %d writes, want at most %d", test.bytes, n, test.writes)
		}
	}
}

// An arrived is a connection on which everything has arrived.
type arrived struct {
	net.Conn
	*bytes.Reader
}

func (a arrived) Read(b []byte) (int, error) { return a.Reader.Read(b) }

// TestReadAhead has reads take all that has arrived, and lose nothing of it when
// they no longer do.
func TestReadAhead(t *testing.T) {
	buf := make([]byte, 4*recordSize)
	sent := bytes.Repeat([]byte("0123456789abcdef"), len(buf)/16+100)
	counting := &countingConn{Conn: arrived{Reader: bytes.NewReader(sent)}}
	g := &guard{Conn: counting}
	end := g.readAhead(buf)
	got := make([]byte, 3*recordSize)
	for i := range 3 {
		if _, err := io.ReadFull(g, got[i*recordSize:(i+1)*recordSize]); err != nil {
			t.Fatal(err)
		}
	}
	if n := counting.reads.Load(); n != 1 {
		t.Errorf("%d reads for 3 records that had arrived", n)
	}
	end()
	// Whoever reads ahead next may have the same buffer.
	other := &guard{Conn: arrived{Reader: bytes.NewReader(make([]byte, len(buf)))}}
	defer other.readAhead(buf)()
	if _, err := other.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(g)
	if err != nil || !bytes.Equal(append(got, rest...), sent) {
		t.Errorf("%d bytes, or others than were sent: %v", len(got)+len(rest), err)
	}
}
