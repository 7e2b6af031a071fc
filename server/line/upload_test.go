package line

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
)

// watch tells what the Run of a row returned.
func (h *house) watch(verb string, result chan<- error) {
	row := h.dialect.Table.byVerb[verb]
	run := row.Run
	row.Run = func(v *visitor, ctx context.Context, c *Call) error {
		err := run(v, ctx, c)
		result <- err
		return err
	}
}

// A failing sink takes nothing.
type failing struct {
	err    error
	writes int
}

func (f *failing) Write(b []byte) (int, error) {
	f.writes++
	return 0, f.err
}

func TestReceive(t *testing.T) {
	h := newHouse()
	var got bytes.Buffer
	h.sink = &got
	u, _ := h.dial(t, h.listen(t, Options{}))
	u.login()
	for _, size := range []int{0, 1, 100, receiveSize, 3*receiveSize + 17} {
		got.Reset()
		content := bytes.Repeat([]byte("EXIT\n\x00\xff"), size/7+1)[:size]
		u.do("PUT name "+strconv.Itoa(size), "[OK] send")
		u.say(string(content))
		u.hear("[OK] stored")
		if !bytes.Equal(got.Bytes(), content) {
			t.Errorf("%d bytes arrived as %d others", size, got.Len())
		}
	}
	got.Reset()
	u.say("PUT name 5\nADD\n\nADD\nECHO on\n") // the client doesn't wait
	u.hear("[OK] send", "[OK] stored", "[OK] 1", "[OK] echo on")
	if got.String() != "ADD\n\n" {
		t.Errorf("stored %q", got.String())
	}
	got.Reset()
	large := repeat("EXIT\n", 100000)
	u.say("PUT name 500000\n" + large + "ADD\nECHO on\n")
	u.hear("[OK] send", "[OK] stored", "[OK] 2", "[OK] echo on")
	if got.String() != large {
		t.Errorf("stored %d bytes, or others", got.Len())
	}
}

func TestReceiveFails(t *testing.T) {
	h := newHouse()
	sink := &failing{err: errCore}
	h.sink = sink
	u, _ := h.dial(t, h.listen(t, Options{}))
	u.login()
	u.do("PUT name 1000000", "[OK] send")
	u.say(repeat("EXIT\n", 200000))
	u.hear("[ERR] no such thing")
	if sink.writes != 1 {
		t.Errorf("a sink that failed was written to %d times", sink.writes)
	}
	u.do("TEXT", "[OK] send")
	u.say(repeat("EXIT\n", 20000) + ".\n")
	u.hear("[ERR] no such thing")
	u.do("ECHO on", "[OK] echo on")
}

func TestReceiveText(t *testing.T) {
	for name, test := range map[string]struct{ sent, stored, reply string }{
		"empty":         {".\n", "", "[OK] stored"},
		"lines":         {"one\n\ntwo\r\n.\r\n", "one\n\ntwo\n", "[OK] stored"},
		"dots":          {"..\n..a\n.b\n...\na.\n.\n", ".\n.a\nb\n..\na.\n", "[OK] stored"},
		"commands":      {"EXIT\nADD\n.\n", "EXIT\nADD\n", "[OK] stored"},
		"control":       {"one\na\x00b\nEXIT\n.\n", "", "[ERR] bad line"},
		"UTF-8":         {"\xff\n.\n", "", "[ERR] bad line"},
		"longest":       {repeat("a", MaxLine-1) + "\n.\n", repeat("a", MaxLine-1) + "\n", "[OK] stored"},
		"too long":      {repeat("a", MaxLine) + "\nEXIT\n.\n", "", "[ERR] too long"},
		"dot, too long": {"." + repeat("a", MaxLine) + "\n.\n", "", "[ERR] too long"},
		"several":       {"\x01\n" + repeat("a", MaxLine) + "\n.\n", "", "[ERR] bad line"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			var got bytes.Buffer
			h.sink = &got
			u, _ := h.dial(t, h.listen(t, Options{}))
			u.login()
			u.do("TEXT", "[OK] send")
			u.say(test.sent + "ADD\n")
			u.hear(test.reply, "[OK] 1")
			if test.reply == "[OK] stored" && got.String() != test.stored {
				t.Errorf("stored %.200q", got.String())
			}
		})
	}
}

// TestReceiveTextFirst sees to it that a client can't make the server remember
// each of a million failures.
func TestReceiveTextFirst(t *testing.T) {
	h := newHouse()
	failed := make(chan error, 1)
	h.watch("TEXT", failed)
	u, _ := h.dial(t, h.listen(t, Options{}))
	u.login()
	u.do("TEXT", "[OK] send")
	u.say(repeat("\x01\n", 1000) + ".\n")
	u.hear("[ERR] bad line")
	if err := await(t, failed); err != error(words.BadLine) {
		t.Errorf("the error is %d bytes long", len(err.Error()))
	}
}

// TestUploadRefused has the content of a refused upload be on its way already:
// it must never be run.
func TestUploadRefused(t *testing.T) {
	content := repeat("ADD\nEXIT\n", 10)
	for name, test := range map[string]struct{ line, reply string }{
		"by the core":  {"PUT refused 90", "[ERR] no such thing"},
		"malformed":    {"PUT name", "[ERR] malformed"},
		"more":         {"PUT name 90 more", "[ERR] malformed"},
		"double space": {"PUT  name 90", "[ERR] malformed"},
		"other case":   {"put name", "[ERR] malformed"},
		"too long":     {"PUT " + repeat("a", MaxLine) + " 90", "[ERR] too long"},
		"UTF-8":        {"PUT \xff 90", "[ERR] malformed"},
		"control":      {"PUT a\x00 90", "[ERR] malformed"},
		"text":         {"TEXT now", "[ERR] malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			u, _ := h.dial(t, h.listen(t, Options{}))
			u.login()
			u.say(test.line + "\n" + content)
			u.hear(test.reply)
			u.end(io.EOF)
		})
	}
	t.Run("before login", func(t *testing.T) {
		h := newHouse()
		u, _ := h.dial(t, h.listen(t, Options{}))
		u.say("PUT name 90\n" + content)
		u.hear("[ERR] not logged in")
		u.end(io.EOF)
	})
}

// TestUploadBreaks has the client go in the middle of its content.
func TestUploadBreaks(t *testing.T) {
	for _, command := range []string{"PUT name 100", "TEXT"} {
		for name, leave := range map[string]func(u *user){
			"close_notify": func(u *user) { u.nc.Close() },
			"FIN":          func(u *user) { u.raw.Close() },
		} {
			t.Run(command+" "+name, func(t *testing.T) {
				h := newHouse()
				result := make(chan error, 1)
				verb, _, _ := strings.Cut(command, " ")
				h.watch(verb, result)
				u, _ := h.dial(t, h.listen(t, Options{}))
				u.login()
				u.do(command, "[OK] send")
				u.say("some of it\n")
				leave(u)
				if err := await(t, result); err == nil || errors.Is(err, io.EOF) {
					t.Errorf("an upload that broke off ended with %v", err)
				}
				if clean := await(t, h.left); clean {
					t.Error("the session counts as left on purpose")
				}
			})
		}
	}
}

// TestUploadIdle has the content stop coming.
func TestUploadIdle(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{IdleTimeout: 100 * time.Millisecond}))
	u.login()
	u.do("PUT name 100", "[OK] send")
	u.hear("[INFO] idle")
	u.end(io.EOF)
}
