package line

import (
	"runtime"
	"sync"
)

// flushers write what is queued in outboxes, on as many goroutines as there are
// processors: to start one for each outbox would cost more than most writes. One
// that waits for a slow client makes room for another.
type flushers struct {
	mu      sync.Mutex
	queue   []*outbox
	running int
	waiting int // of those that run, and of other writers
}

// add has o written, whose writer the caller is.
func (f *flushers) add(o *outbox) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append(f.queue, o)
	f.start()
}

// start starts a goroutine if there is work and room for it. The caller holds
// mu.
func (f *flushers) start() {
	if len(f.queue) > 0 && f.running-f.waiting < runtime.GOMAXPROCS(0) {
		f.running++
		go f.run()
	}
}

func (f *flushers) run() {
	for o := f.next(); o != nil; o = f.next() {
		o.write()
	}
}

// next returns an outbox to be written; nil if the goroutine is to end.
func (f *flushers) next() *outbox {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 || f.running-f.waiting > runtime.GOMAXPROCS(0) {
		f.running--
		return nil
	}
	o := f.queue[0]
	f.queue[0] = nil
	if f.queue = f.queue[1:]; len(f.queue) == 0 {
		f.queue = nil // or its array would only ever grow
	}
	return o
}

// wait says that a writer waits for its client until the function returned is
// called.
func (f *flushers) wait() (done func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting++
	f.start()
	return func() {
		f.mu.Lock()
		f.waiting--
		f.mu.Unlock()
	}
}
