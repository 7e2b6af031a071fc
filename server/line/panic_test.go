package line

import (
	"strings"
	"testing"
)

// TestPanic has a panic close one connection only, with nothing of it on the
// wire. The one that still owes an answer must not be waited for.
func TestPanic(t *testing.T) {
	for _, command := range []string{"PANIC", "LATER PANIC"} {
		t.Run(command, func(t *testing.T) {
			h := newHouse()
			addr := h.listen(t, Options{})
			other, _ := h.dial(t, addr)
			u, _ := h.dial(t, addr)
			u.say(command + "\nADD\n")
			u.end(errTorn)
			await(t, h.left)
			if err := await(t, h.ended); err != errPanic {
				t.Errorf("Serve returned %v", err)
			}
			if !strings.Contains(h.log.String(), "panic") {
				t.Errorf("the log says %q", h.log)
			}
			other.do("ECHO on", "[OK] echo on")
		})
	}
}

func TestPanicInOpen(t *testing.T) {
	h := newHouse()
	h.dialect.Open = func(*Conn) *visitor { panic("in Open") }
	u, _ := h.pipe(t, Options{})
	if _, err := u.ReadLine(); err == nil {
		t.Error("the connection lives on")
	}
	if err := await(t, h.ended); err != errPanic {
		t.Errorf("Serve returned %v", err)
	}
}

func TestPanicInClose(t *testing.T) {
	h := newHouse()
	h.dialect.Close = func(*visitor, bool) { panic("in Close") }
	u, _ := h.pipe(t, Options{})
	u.say("EXIT\n")
	if err := await(t, h.ended); err != errPanic {
		t.Errorf("Serve returned %v", err)
	}
}
