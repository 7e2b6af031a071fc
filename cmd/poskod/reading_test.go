package main

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// A reader writes down what an account is sent while the daemon is killed again
// and again.
type reader struct {
	name   string
	heard  map[string]map[int]string // by conversation and number
	random *rand.Rand
}

func newReader(name string) *reader {
	return &reader{name, map[string]map[int]string{}, rand.New(rand.NewPCG(3, 4))}
}

// note writes down a message, which is the same each time it comes.
func (r *reader) note(t *testing.T, where, number, text string) {
	t.Helper()
	n, err := strconv.Atoi(number)
	if r.heard[where] == nil {
		r.heard[where] = map[int]string{}
	}
	if old, known := r.heard[where][n]; err != nil || known && old != text {
		t.Errorf("%s: number %s is %q, and was %q", where, number, text, old)
	}
	r.heard[where][n] = text
}

// event takes "[GRUP number time] group from text" and "[MSG number time] from
// text".
func (r *reader) event(t *testing.T, text string) {
	t.Helper()
	tag, said, _ := strings.Cut(text, "] ")
	stamp := strings.Fields(tag)
	switch {
	case len(stamp) == 3 && stamp[0] == "[GRUP":
		words := strings.SplitN(said, " ", 3)
		r.note(t, words[0], stamp[1], words[2])
	case len(stamp) == 3 && stamp[0] == "[MSG":
		from, text, _ := strings.Cut(said, " ")
		r.note(t, from, stamp[1], text)
	}
}

// check asks for what is unread, and says how much that was.
func (r *reader) check(t *testing.T, p *peer) (rows int, err error) {
	t.Helper()
	a, err := p.Do("CHECK")
	if err != nil {
		return 0, err
	}
	for _, row := range a.Rows { // number time GRUP group from text, or MSG from to text
		words := strings.SplitN(row, " ", 6)
		r.note(t, words[3], words[0], words[5])
	}
	return len(a.Rows), nil
}

// connect logs in. Before anybody speaks, it asks for what came earlier: then it
// has missed nothing, whatever has been killed. Or it asks and doesn't read the
// answer, which is for the next time: the second question, sent with the first,
// does not tell the server that the answer has come, but has it write down how
// far the account has read.
func (r *reader) connect(h *house, reads bool) *peer {
	h.t.Helper()
	p := must(h.chat(h.address("chat"), r.name))(h.t)
	p.Event = func(text string) { r.event(h.t, text) }
	must(p.Do("STAMP ON"))(h.t)
	if !reads {
		if err := p.Send("CHECK\nCHECK"); err != nil {
			h.t.Fatal(err)
		}
		return p
	}
	must(r.check(h.t, p))(h.t)
	for _, where := range []string{"dapur", "ani"} {
		for i, text := range h.history(p, where) {
			if got := r.heard[where][i+1]; got != text {
				h.t.Errorf("%s has missed number %d of %s, %q, and heard %q", r.name, i+1, where, text, got)
			}
		}
	}
	return p
}

// read hears what is said, and asks for what is unread after each of it, until
// the connection breaks.
func (r *reader) read(t *testing.T, p *peer) {
	for {
		text, err := p.ReadLine()
		if err != nil {
			return
		}
		r.event(t, text)
		if _, err := r.check(t, p); err != nil {
			return
		}
	}
}

// What the daemon has kept of a read position is not shown again when it has
// been killed.
func (r *reader) settled(h *house) {
	h.t.Helper()
	for range 2 {
		p := r.connect(h, true)
		if n := must(r.check(h.t, p))(h.t); n != 0 {
			h.t.Errorf("%d messages are shown again at once", n)
		}
		h.kill()
		p.Close()
		h.serve()
	}
	p := must(h.chat(h.address("chat"), r.name))(h.t)
	defer p.Close()
	if rows := must(p.Do("CHECK"))(h.t).Rows; len(rows) != 0 {
		h.t.Errorf("what was read is shown again: %q", rows)
	}
}
