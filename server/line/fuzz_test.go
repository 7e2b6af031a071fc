package line

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// A tape is a connection whose client has sent everything in advance, in chunks
// of the given sizes, and goes away when it was sent a megabyte.
type tape struct {
	sent, sizes []byte
	reads       int
	ended       bool // all was read, and that it ends

	mu  sync.Mutex
	got bytes.Buffer
}

func (p *tape) Read(b []byte) (int, error) {
	if len(p.sent) == 0 {
		p.ended = true
		return 0, io.EOF
	}
	n := 1
	if len(p.sizes) > 0 {
		n += int(p.sizes[p.reads%len(p.sizes)])
	}
	p.reads++
	n = copy(b[:min(n, len(b))], p.sent)
	p.sent = p.sent[n:]
	return n, nil
}

func (p *tape) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.got.Len() > 1<<20 {
		return 0, os.ErrClosed
	}
	return p.got.Write(b)
}

func (p *tape) Close() error                     { return nil }
func (p *tape) LocalAddr() net.Addr              { return nil }
func (p *tape) RemoteAddr() net.Addr             { return nil }
func (p *tape) SetDeadline(time.Time) error      { return nil }
func (p *tape) SetReadDeadline(time.Time) error  { return nil }
func (p *tape) SetWriteDeadline(time.Time) error { return nil }

// FuzzSession gives a session arbitrary bytes in arbitrary chunks. Whatever
// they are, each command gets one reply, and all that is sent is what the
// contract allows.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{
		"LOGIN ani\nADD\nECHO hai\nMINE a\nLOGOUT\nEXIT\nADD\n",
		"LOGIN ani\r\nPUT name 5\nADD\n\nADD\nTEXT\n..\nADD\n.\nADD\n",
		"LOGIN ani\nPUT refused 4\nADD\n",
		"LOGIN ani\nPUT name 5\nADD",
		"ROWS 3 3\nROWS 3 2\nADD\n",
		"ROWS 3 3 panic\nADD\n",
		"ROWS 2000000000 2000000000\n",
		"BYTES 300 300\nBYTES 3 2\n",
		"HELP\nhelp exit\nHELP NONE\n",
		"LATER\nLATER\nLATER NOW\nADD\nBREAK\nREFUSE\nODD\nLATER\nWAIT\n",
		"LATER\nLATER PANIC\n",
		"LOSE\nADD\n",
		"PANIC\nADD\n",
		"GET / HTTP/1.1\n\nADD\n",
		"ECHO \xff\nECHO \x00\nECHO \u202e\nECHO \u200d\n\n\r\n",
		repeat("a", MaxLine-1) + "\n" + repeat("b", MaxLine) + "\nADD\n",
		repeat("NONE\n", 11),
		repeat("\n", 65),
	} {
		f.Add([]byte(seed), []byte{255})
		f.Add([]byte(seed), []byte{0, 3})
	}
	h := newHouse()
	uploads := 0
	h.dialect.Open = func(c *Conn) *visitor { return &visitor{house: h, c: c} }
	h.dialect.Close = func(*visitor, bool) {}
	for _, verb := range []string{"PUT", "TEXT"} {
		row := h.dialect.Table.byVerb[verb]
		run := row.Run
		row.Run = func(v *visitor, ctx context.Context, c *Call) error {
			uploads++
			return run(v, ctx, c)
		}
	}
	close(h.proceed)
	quit := make(chan struct{})
	var partner sync.WaitGroup
	partner.Go(func() { // gives the answers that are owed, in their order
		for {
			select {
			case answer := <-h.later:
				answer(nil)
			case <-h.running:
			case <-quit:
				return
			}
		}
	})
	f.Cleanup(func() { close(quit); partner.Wait() })

	f.Fuzz(func(t *testing.T, sent, sizes []byte) {
		commands := 0
		for _, line := range reference(sent) {
			if line != "" {
				commands++
			}
		}
		uploads = 0
		nc := &tape{sent: sent, sizes: sizes}
		c := NewConn(nc, &Options{MaxErrors: 10, MaxLines: 64, MaxBytes: 64 << 10}, 1)
		ended := make(chan error, 1)
		h.dialect.Start(t.Context(), c, func(err error) { ended <- err })
		err := <-ended
		nc.mu.Lock()
		defer nc.mu.Unlock()
		replies, whole := count(t, nc.got.Bytes())
		switch {
		case !whole && err == nil:
			t.Error("what was promised is not whole, yet the connection ended well")
		case replies > commands+uploads:
			t.Errorf("%d replies to %d commands and %d uploads", replies, commands, uploads)
		case nc.ended && uploads == 0 && err == nil && replies != commands:
			t.Errorf("%d replies to %d commands", replies, commands)
		}
	})
}

// count counts the replies in what a server has sent, and demands that each
// line is one of the contract's. whole says that the last of them is complete.
func count(t *testing.T, got []byte) (replies int, whole bool) {
	c := &Client{r: bufio.NewReaderSize(bytes.NewReader(got), MaxReply)}
	for {
		text, err := c.ReadLine()
		if err != nil {
			return replies, err == io.EOF
		}
		if !ValidText(text) {
			t.Errorf("sent %q", text)
		}
		say, ok := strings.CutPrefix(text, okPrefix)
		switch {
		case ok:
			a, err := c.data(say)
			if err == nil {
				err = c.ReadData(io.Discard, a.Bytes)
			}
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return replies, false
			}
			replies++
		case strings.HasPrefix(text, errPrefix):
			replies++
		case !strings.HasPrefix(text, infoPrefix):
			t.Errorf("sent %q", text)
		}
	}
}
