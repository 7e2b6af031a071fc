package line

import (
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
