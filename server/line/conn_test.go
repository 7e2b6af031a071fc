package line

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSession has every kind of answer, word for word.
func TestSession(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{}))
	u.do(
		"ECHO", "[OK] echo ",
		"ECHO  two  spaces ", "[OK] echo  two  spaces ",
		"LOGOUT", "[ERR] not logged in",
		"MINE", "[ERR] malformed mine", // a wrong form comes first
		"MINE a", "[ERR] not logged in",
		"MINE \x00", "[ERR] malformed mine",
		"LOGIN ani budi", "[ERR] malformed",
		"login ani\r", "[OK] welcome",
		"LoGiN ani", "[ERR] logged in already",
		"MINE a", "[OK] yours",
		"\n\r\n\nADD", "[OK] 1", // empty lines are nothing
		"REFUSE", "[ERR] no such thing",
		"SAYNO", "[ERR] no",
		"ODD", "[ERR] odd",
		"DANCE now", "[ERR] unknown",
		" ADD", "[ERR] unknown",
		"ADD ", "[ERR] malformed",
		"LATER now", "[ERR] no such thing",
		"LOGOUT", "[OK] bye",
		"QUIT", "[OK] so long",
	)
	u.end(io.EOF)
	if clean := await(t, h.left); !clean {
		t.Error("the session doesn't count as left on purpose")
	}
}

func TestLineLength(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{}))
	for _, ending := range []string{"\n", "\r\n"} {
		text := repeat("a", MaxLine-len("ECHO "+ending))
		u.say("ECHO " + text + ending)
		u.hear("[OK] echo " + text)
		u.say("ECHO " + text + "a" + ending + "ADD\n")
		u.hear("[ERR] too long")
		if _, err := u.ReadLine(); err != nil {
			t.Fatal(err)
		}
	}
	u.say(repeat("a", MaxLine) + "\nECHO on\n")
	u.hear("[ERR] too long", "[OK] echo on")
}

// TestCharacters has lines refused, and the connection live on.
func TestCharacters(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{}))
	for _, bad := range []string{
		"\x00", "\x01", "\x08", "\x0b", "\x0c", "\r", "\x1b", "\x1f", "\x7f", "\u0080", "\u0085", "\u009f",
		"\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069", "\U000e0000", "\U000e0041", "\U000e007f",
		"\xff", "\xc3", "\xed\xa0\x80",
	} {
		u.do("ECHO a"+bad+"b", "[ERR] malformed", "MINE "+bad+"b", "[ERR] malformed mine",
			bad+"ECHO", "[ERR] bad line", "NONE"+bad+".", "[ERR] bad line")
	}
	for _, good := range []string{"\t", "\u200c", "\u200d", "\u200e", "\u200f", "\u00a0", "\ufffd", "\U0001f600"} {
		u.do("ECHO a"+good+"b", "[OK] echo a"+good+"b")
	}
}

// TestOneByte has the client send one byte at a time.
func TestOneByte(t *testing.T) {
	h := newHouse()
	var got strings.Builder
	h.sink = &got
	u, _ := h.dial(t, h.listen(t, Options{}))
	for _, b := range []byte("LOGIN ani\r\nECHO hai\nPUT name 5\nADD\n\nADD\n") {
		u.say(string(b))
	}
	u.hear("[OK] welcome", "[OK] echo hai", "[OK] send", "[OK] stored", "[OK] 1")
	if got.String() != "ADD\n\n" {
		t.Errorf("stored %q", got.String())
	}
}

// TestPipeline sends ten thousand commands in one write.
func TestPipeline(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{}))
	const n = 10000
	u.say(repeat("ADD\n", n))
	for i := range n {
		u.hear(fmt.Sprint("[OK] ", i+1))
	}
	u.do("ECHO on", "[OK] echo on")
}

// TestSecret has an error that nobody foresaw reach the log alone.
func TestSecret(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{}))
	u.do("BREAK", "[ERR] internal")
	if !strings.Contains(h.log.String(), errSecret.Error()) {
		t.Errorf("the log says %q", h.log)
	}
	u.say("ROWS 2000 1999 error\n")
	if all, _ := io.ReadAll(u.nc); strings.Contains(string(all), "secret") {
		t.Errorf("the client got %q", all)
	}
}

func TestNoAnswer(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{}))
	u.say("LOSE\n")
	u.end(errTorn)
	if err := await(t, h.ended); err != errLost {
		t.Errorf("Serve returned %v", err)
	}
}

// TestRefused has a row hear of its refusals, wherever they come from.
func TestRefused(t *testing.T) {
	h := newHouse()
	refused := make(chan string, 10)
	h.dialect.Table.byVerb["MINE"].Refused = func(*visitor) { refused <- "MINE" }
	h.dialect.Table.byVerb["REFUSE"].Refused = func(*visitor) { refused <- "REFUSE" }
	u, _ := h.dial(t, h.listen(t, Options{}))
	u.do("MINE", "[ERR] malformed mine", "MINE a", "[ERR] not logged in", "MINE \x00", "[ERR] malformed mine",
		"REFUSE", "[ERR] no such thing", "MINE "+repeat("a", MaxLine), "[ERR] too long")
	u.login()
	u.do("MINE a", "[OK] yours", "NONE", "[ERR] unknown")
	for _, want := range []string{"MINE", "MINE", "MINE", "REFUSE", "MINE"} {
		if got := await(t, refused); got != want {
			t.Errorf("%s was refused, want %s", got, want)
		}
	}
	if len(refused) > 0 {
		t.Error("a success counts as refused")
	}
}

// TestLater has answers come later, in their order, while other commands wait.
func TestLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		ran := make(chan error, 1)
		h.watch("ADD", ran)
		u, _ := h.pipe(t, Options{})
		u.say("LATER\nLATER\nLATER\nADD\nNONE\n")
		synctest.Wait()
		if len(h.later) != 3 || len(ran) > 0 {
			t.Errorf("%d are under way, and %d behind them have run", len(h.later), len(ran))
		}
		for _, err := range []error{nil, errCore, errSecret} {
			(<-h.later)(err)
		}
		u.hear("[OK] at last", "[ERR] no such thing", "[ERR] internal", "[OK] 1", "[ERR] unknown")
	})
}

// TestLaterBound has a client send more of them than may be under way.
func TestLaterBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		u, _ := h.pipe(t, Options{})
		const n = 2*maxUnderWay + 10
		go io.WriteString(u.nc, repeat("LATER\n", n)+"ECHO last\n")
		synctest.Wait()
		if got := len(h.later); got != maxUnderWay {
			t.Errorf("%d are under way, want %d", got, maxUnderWay)
		}
		go func() {
			for range n {
				answer := <-h.later
				answer(nil)
			}
		}()
		for range n {
			u.hear("[OK] at last")
		}
		u.hear("[OK] echo last")
	})
}

// TestAppend has events reach an idle client, and tells how far they are.
func TestAppend(t *testing.T) {
	h := newHouse()
	u, c := h.dial(t, h.listen(t, Options{}))
	u.do("ECHO in", "[OK] echo in")
	c.Append([]byte("[MSG] one\n"))
	end := c.Append([]byte("[MSG] two\n"))
	if c.out.position() >= end {
		t.Error("written before the flush")
	}
	c.Flush()
	u.hear("[MSG] one", "[MSG] two")
	if err := c.out.drain(); err != nil || c.out.position() != end {
		t.Errorf("written %d of %d, %v", c.out.position(), end, err)
	}
}

// TestIdleCost opens sessions over TLS that then are idle: they may cost no
// goroutine in a lot, one each outside, and no buffer.
func TestIdleCost(t *testing.T) {
	h := newHouse()
	addr := h.listen(t, Options{IdleTimeout: time.Hour, WriteTimeout: time.Hour, HandshakeTimeout: time.Minute, Slots: NewSlots(4)})
	const n = 50
	before := runtime.NumGoroutine()
	// Beside them are those who write, and are kept for whoever is next.
	each, writers := 0, runtime.GOMAXPROCS(0)
	if os.Getenv(plainEnv) != "" {
		each = 1
	}
	users, conns := make([]*user, n), make([]*Conn, n)
	for i := range n {
		users[i], conns[i] = h.dial(t, addr)
		users[i].login()
		users[i].say("ADD\nROWS 2000 2000\n")
		users[i].hear("[OK] 1")
		if _, err := users[i].Answer(); err != nil {
			t.Fatal(err)
		}
		conns[i].Append([]byte("[MSG] hai\n"))
		conns[i].Flush()
		users[i].hear("[MSG] hai")
	}
	deadline := time.Now().Add(patience)
	for runtime.NumGoroutine() > before+each*n+writers {
		if time.Now().After(deadline) {
			t.Fatalf("%d idle sessions have %d goroutines", n, runtime.NumGoroutine()-before)
		}
		runtime.Gosched()
	}
	for i, c := range conns {
		if err := c.out.drain(); err != nil {
			t.Error(err)
		}
		c.mu.Lock() // its goroutine had these after it last touched the input
		c.out.mu.Lock()
		if c.in.buf != nil || c.out.queue != nil {
			t.Error("an idle session holds a buffer or a queue")
		}
		c.out.mu.Unlock()
		c.mu.Unlock()
		c.End("")
		users[i].raw.Close()
		await(t, h.ended)
	}
}

// TestHeard: a command was sent before what is written after it has arrived,
// however late it runs.
func TestHeard(t *testing.T) {
	h := newHouse()
	u, c := h.dial(t, h.listen(t, Options{}))
	u.say("LOGIN ani\nHEARD\n") // the first reads are the handshake's
	u.hear("[OK] welcome")
	if heard, err := u.ReadLine(); !strings.HasSuffix(heard, "reads and 0 bytes") {
		t.Fatalf("heard %q, %v", heard, err)
	}
	u.hear("[INFO] that was it")
	u.say("WAIT\nHEARD\nHEARD\n")
	<-h.running
	c.Append([]byte("[MSG] meanwhile\n"))
	c.Flush()
	u.hear("[MSG] meanwhile")
	h.proceed <- struct{}{}
	u.hear("[OK] waited", "[OK] after 1 reads and 63 bytes", "[INFO] that was it",
		"[OK] after 0 reads and 63 bytes", "[INFO] that was it")
	u.do("ECHO", "[OK] echo ") // and so all before it is known to be written
	u.say("HEARD\n")
	heard, err := u.ReadLine()
	var written int
	if _, scan := fmt.Sscanf(heard, "[OK] after 2 reads and %d bytes", &written); errors.Join(err, scan) != nil || written < 193 {
		t.Errorf("heard %q, %v", heard, err)
	}
}
