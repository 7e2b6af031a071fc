package line

import (
	"runtime"
	"sync"
)

// A job is what a crew does: to serve a connection until nothing of it has
// arrived, or to write what is queued for one.
type job interface{ do() }

// A crew does jobs in their order, on as many goroutines as there are
// processors: to start one for each would cost more than most jobs take. One
// that waits, for a client or for others, makes room for another.
type crew struct {
	most int // goroutines at work: to ask Go each time takes its scheduler's lock

	mu      sync.Mutex
	changed sync.Cond
	jobs    []job // from next on; nil before
	next    int
	busy    int // goroutines at work, without those that wait
	idle    int // goroutines kept for what comes, since their stacks have grown
	called  int // of the idle ones, to work
	closed  bool
}

func (c *crew) init() { c.most, c.changed.L = runtime.GOMAXPROCS(0), &c.mu }

// add has j done, after all that was added before has begun.
func (c *crew) add(j job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs = append(c.jobs, j)
	c.start()
}

// start has a goroutine work if there is work and room for it. The caller holds
// mu.
func (c *crew) start() {
	if c.next == len(c.jobs) || c.busy >= c.most {
		return
	}
	c.busy++
	if c.idle == 0 {
		go c.work()
		return
	}
	c.idle--
	c.called++
	c.changed.Signal()
}

func (c *crew) work() {
	for j := c.take(); j != nil; j = c.take() {
		j.do()
	}
}

// take returns the next job, as soon as there is one; nil if the goroutine is to
// end.
func (c *crew) take() job {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.next == len(c.jobs) || c.busy > c.most {
		c.busy--
		if c.closed || c.idle == c.most {
			return nil
		}
		c.idle++
		for c.called == 0 && !c.closed {
			c.changed.Wait()
		}
		if c.called == 0 {
			c.idle--
			return nil
		}
		c.called--
	}
	j := c.jobs[c.next]
	c.jobs[c.next] = nil
	if c.next++; c.next == len(c.jobs) {
		c.jobs, c.next = c.jobs[:0], 0
		if cap(c.jobs) > mostJobs {
			c.jobs = nil
		}
	}
	return j
}

// mostJobs is how many places for jobs are kept while there are none.
const mostJobs = 4096

// wait says that a job waits until the function returned is called. It may be
// called for one that no crew does, c being nil.
func (c *crew) wait() (done func()) {
	if c == nil {
		return func() {}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy--
	c.start()
	return c.goOn
}

func (c *crew) goOn() {
	c.mu.Lock()
	c.busy++
	c.mu.Unlock()
}

// turn waits until all that was added before has begun, and is done but for
// what goes on at the same time or waits.
func (c *crew) turn() {
	c.mu.Lock()
	if c.busy <= 0 && c.next == len(c.jobs) {
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	t := make(turn)
	c.add(t)
	<-t
}

// A turn is a job that only says when it is done.
type turn chan struct{}

func (t turn) do() { close(t) }

// close ends the goroutines that have nothing to do, and the others after what
// they do.
func (c *crew) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.changed.Broadcast()
}
