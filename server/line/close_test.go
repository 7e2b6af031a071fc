package line

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
)

// TestCutTwice ends a connection for reasons of several types.
func TestCutTwice(t *testing.T) {
	h := newHouse()
	u, c := h.pipe(t, Options{})
	reason := &net.OpError{Op: "write", Err: errStalled}
	c.cut(reason)
	c.cut(errOverflow)
	u.end(io.EOF)
	if err := await(t, h.ended); err != reason {
		t.Errorf("Serve returned %v, want the first reason", err)
	}
}

// TestClean ends sessions in every way that a client has.
func TestClean(t *testing.T) {
	for name, test := range map[string]struct {
		end   func(u *user)
		clean bool
	}{
		"EXIT":         {func(u *user) { u.do("EXIT", "[OK] so long") }, true},
		"close_notify": {func(u *user) { u.nc.(*tls.Conn).CloseWrite() }, true},
		"FIN alone":    {func(u *user) { u.raw.CloseWrite() }, false},
		"RST":          {func(u *user) { u.raw.SetLinger(0); u.raw.Close() }, false},
		"half a line":  {func(u *user) { u.say("EXIT"); u.raw.CloseWrite() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			u, _ := h.dial(t, h.listen(t, Options{}))
			u.do("ECHO in", "[OK] echo in")
			test.end(u)
			if clean := await(t, h.left); clean != test.clean {
				t.Errorf("clean is %v", clean)
			}
			u.nc.Close()
			if err := await(t, h.ended); (err == nil) != test.clean {
				t.Errorf("Serve returned %v", err)
			}
		})
	}
}
