package server

import (
	"runtime"
	"testing"
)

// Memory is given back once after a busy time, not during it, and not when
// there was none.
func TestTrim(t *testing.T) {
	trims := 0
	now := uint64(0)
	tr := &trimmer{read: func() uint64 { return now }, free: func() { trims++ }}
	for i, step := range []struct {
		allocated uint64
		trims     int
	}{
		{0, 0},
		{quietBytes - 1, 0},
		{trimBytes, 0}, // busy
		{trimBytes, 0},
		{quietBytes, 0},
		{quietBytes - 1, 1},
		{0, 1},
		{trimBytes - 1, 1}, // busy, but for nothing much
		{0, 1},
		{1, 2},
		{0, 2},
	} {
		now += step.allocated
		if tr.look(); trims != step.trims {
			t.Errorf("step %d: trimmed %d times, want %d", i, trims, step.trims)
		}
	}
}

// What is read is what the runtime has allocated.
func TestAllocated(t *testing.T) {
	before := allocated()
	block := make([]byte, 1<<20)
	if got := allocated() - before; got < 1<<20 {
		t.Errorf("a megabyte counts as %d bytes", got)
	}
	runtime.KeepAlive(block)
}
