package line

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestSlots has more clients connect and say nothing than there are places for
// handshakes.
func TestSlots(t *testing.T) {
	h := newHouse()
	const places = 4
	slots := NewSlots(places)
	addr := h.listen(t, Options{Slots: slots, HandshakeTimeout: time.Minute})
	for range 2 * places {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.Write([]byte{22, 3, 1}) // how a handshake begins
	}
	u, _ := h.dial(t, addr)
	u.do("ECHO in", "[OK] echo in")
}

func TestSlotsReturned(t *testing.T) {
	h := newHouse()
	slots := NewSlots(1)
	addr := h.listen(t, Options{Slots: slots, HandshakeTimeout: time.Minute})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	nc.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	if err := await(t, h.ended); err == nil {
		t.Error("a handshake with a browser that speaks no TLS succeeded")
	}
	nc.Close()
	for range 3 {
		u, _ := h.dial(t, addr)
		u.do("EXIT", "[OK] so long")
		u.nc.Close()
		await(t, h.ended)
	}
	if len(slots) != cap(slots) {
		t.Errorf("%d of %d places are free after all handshakes", len(slots), cap(slots))
	}
}

func TestHandshakeTimeout(t *testing.T) {
	h := newHouse()
	addr := h.listen(t, Options{HandshakeTimeout: 50 * time.Millisecond})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetReadDeadline(time.Now().Add(patience))
	if n, err := nc.Read(make([]byte, 1)); n != 0 || isTimeout(err) {
		t.Errorf("a silent client was left alone: %d, %v", n, err)
	}
	if len(h.opened) != 0 {
		t.Error("a session was opened without a handshake")
	}
}

// TestNoTLS has clients that speak something else connect to the TLS port.
func TestNoTLS(t *testing.T) {
	h := newHouse()
	addr := h.listen(t, Options{})
	for _, text := range []string{"LOGIN ani\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x00", repeat("\xff", 1<<16)} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		nc.Write([]byte(text))
		nc.(*net.TCPConn).CloseWrite()
		nc.SetReadDeadline(time.Now().Add(patience))
		var all [512]byte
		for {
			n, err := nc.Read(all[:])
			if n > 0 && all[0] != 21 {
				t.Errorf("%.20q was answered %q", text, all[:n])
			}
			if isTimeout(err) {
				t.Errorf("%.20q: the connection lives on", text)
			}
			if err != nil {
				break
			}
		}
		nc.Close()
		if err := await(t, h.ended); err == nil {
			t.Errorf("%.20q: the handshake succeeded", text)
		}
	}
	if len(h.opened) != 0 {
		t.Error("a session was opened")
	}
	u, _ := h.dial(t, addr)
	u.do("ECHO in", "[OK] echo in")
}

func TestOldTLS(t *testing.T) {
	h := newHouse()
	addr := h.listen(t, Options{})
	config := clientTLS()
	config.MaxVersion = tls.VersionTLS12
	nc, err := tls.Dial("tcp", addr, config)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	u := newUser(t, nc)
	u.do("ECHO 1.2", "[OK] echo 1.2", "EXIT", "[OK] so long")
}

// TestStallWindow has a client take its last byte at the start of a write.
func TestStallWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		g := &guard{Conn: far, stall: 8 * time.Second}
		go near.Read(make([]byte, 1))
		began := time.Now()
		n, err := g.Write([]byte("two"))
		if took := time.Since(began); n != 1 || err != errStalled || took > 10*time.Second {
			t.Errorf("after %v: %d, %v", took, n, err)
		}
	})
}

// TestSlowReader has a client take a byte now and then: it is not cut off.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		g := &guard{Conn: far, stall: 8 * time.Second}
		go func() {
			for b := make([]byte, 1); ; {
				time.Sleep(7 * time.Second)
				if _, err := near.Read(b); err != nil {
					return
				}
			}
		}()
		defer time.Sleep(time.Minute) // the reader sees the end
		defer far.Close()
		if n, err := g.Write([]byte(repeat("a", 20))); n != 20 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

// TestRecordEnds has records of all lengths come in pieces of all lengths.
func TestRecordEnds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var stream bytes.Buffer
	ends := map[int]bool{} // places in the stream
	for range 5000 {
		length := random.IntN(1 << random.IntN(15))
		stream.Write([]byte{23, 3, 3})
		stream.Write(binary.BigEndian.AppendUint16(nil, uint16(length)))
		stream.Write(bytes.Repeat([]byte{23}, length))
		ends[stream.Len()] = true
	}
	var r recordEnds
	seen := map[bool]int{}
	for at := 0; stream.Len() > 0; {
		piece := stream.Next(1 + random.IntN(1<<random.IntN(15)))
		count := 0
		for range piece {
			if at++; ends[at] {
				count++
			}
		}
		want := count == 1 && ends[at]
		seen[want]++
		if r.one(piece) != want {
			t.Fatalf("%d bytes up to %d, in which %d records end: %v", len(piece), at, count, !want)
		}
	}
	if seen[true] == 0 || seen[false] == 0 {
		t.Error("the pieces were all of one kind")
	}
}

// TestGuardDrained reads two records that have arrived, the first of them with no
// room for more.
func TestGuardDrained(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	near.SetDeadline(time.Now().Add(patience))
	record := "\x17\x03\x03\x00\x05hello"
	far.Write([]byte(record + record))
	g := &guard{Conn: near, tls: true}
	for _, read := range []struct {
		room int
		want bool
	}{{len(record), false}, {len(record) + 1, true}} {
		if n, err := g.Read(make([]byte, read.room)); n != len(record) || err != nil || g.drained != read.want {
			t.Errorf("with room for %d: %d, %v, drained %v", read.room, n, err, g.drained)
		}
	}
}
