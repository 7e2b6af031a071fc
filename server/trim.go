package server

import (
	"context"
	"runtime/debug"
	goruntime "runtime/metrics"
	"time"
)

// When memory is given back.
const (
	trimEvery = time.Second
	// quietBytes is how much may be allocated in this time for the server to
	// count as quiet, when nobody is held up by what giving back takes.
	quietBytes = 256 << 10
	// trimBytes is how much must have been allocated for it to be worth it.
	trimBytes = 4 << 20
)

// A trimmer gives memory back to the system when a busy time is over. By itself
// Go keeps as much again as is in use, which after a crowd has logged in, or has
// left, is most of what the process holds.
type trimmer struct {
	read func() uint64 // bytes that were ever allocated
	free func()

	last, trimmed uint64 // of read, a moment ago and after the last trim
}

func newTrimmer() *trimmer {
	return &trimmer{read: allocated, free: debug.FreeOSMemory}
}

// run trims until ctx is cancelled.
func (t *trimmer) run(ctx context.Context) {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.look()
		case <-ctx.Done():
			return
		}
	}
}

// look trims if this is the moment.
func (t *trimmer) look() {
	now := t.read()
	quiet := now-t.last < quietBytes
	t.last = now
	if quiet && now-t.trimmed >= trimBytes {
		t.free()
		t.trimmed = now
	}
}

func allocated() uint64 {
	sample := []goruntime.Sample{{Name: "/gc/heap/allocs:bytes"}}
	goruntime.Read(sample)
	return sample[0].Value.Uint64()
}
