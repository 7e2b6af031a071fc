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
	changed sync.Cond
	queue   []*outbox
	busy    int // of those that run, without those that wait for a client
	idle    int // goroutines kept for what comes, since their stacks have grown
	called  int // of the idle ones, to work
	closed  bool
}

func (f *flushers) init() { f.changed.L = &f.mu }

// add has o written, whose writer the caller is.
func (f *flushers) add(o *outbox) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append(f.queue, o)
	f.start()
}

// start has a goroutine work if there is work and room for it. The caller holds
// mu.
func (f *flushers) start() {
	if len(f.queue) == 0 || f.busy >= runtime.GOMAXPROCS(0) {
		return
	}
	f.busy++
	if f.idle == 0 {
		go f.run()
		return
	}
	f.idle--
	f.called++
	f.changed.Broadcast()
}

func (f *flushers) run() {
	for o := f.next(); o != nil; o = f.next() {
		o.write()
	}
}

// next returns an outbox to be written, as soon as there is one; nil if the
// goroutine is to end.
func (f *flushers) next() *outbox {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.queue) == 0 || f.busy > runtime.GOMAXPROCS(0) {
		if f.busy--; f.busy <= 0 && len(f.queue) == 0 {
			f.changed.Broadcast()
		}
		if f.closed || f.idle == runtime.GOMAXPROCS(0) {
			return nil
		}
		f.idle++
		for f.called == 0 && !f.closed {
			f.changed.Wait()
		}
		if f.called == 0 {
			f.idle--
			return nil
		}
		f.called--
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
	f.busy--
	f.start()
	if f.busy <= 0 && len(f.queue) == 0 {
		f.changed.Broadcast()
	}
	return func() {
		f.mu.Lock()
		f.busy++
		f.mu.Unlock()
	}
}

// flushed waits until all is written but what waits for its client.
func (f *flushers) flushed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.busy > 0 || len(f.queue) > 0 {
		f.changed.Wait()
	}
}

// close ends the goroutines that have nothing to do, and the others after what
// they do.
func (f *flushers) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.changed.Broadcast()
}
