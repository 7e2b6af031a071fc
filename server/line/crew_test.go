package line

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

// A task is a job of the tests.
type task func()

func (t task) do() { t() }

// TestCrewOrder has jobs wait for one that keeps the crew busy: they are done in
// their order, and a turn comes behind all of them.
func TestCrewOrder(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var c crew
	c.init()
	defer c.close()
	c.turn() // nobody is before it
	for range 3 {
		proceed := make(chan bool)
		c.add(task(func() { <-proceed }))
		var done, want []int
		for i := range 2 * mostJobs {
			c.add(task(func() { done = append(done, i) }))
			want = append(want, i)
		}
		close(proceed)
		c.turn()
		if !slices.Equal(done, want) {
			t.Fatalf("%d jobs were done before the turn, or not in their order", len(done))
		}
	}
	if cap(c.jobs) > mostJobs {
		t.Errorf("it keeps %d places", cap(c.jobs))
	}
}

// TestCrewWait has jobs wait for the last one: each makes room for the next.
func TestCrewWait(t *testing.T) {
	var c crew
	c.init()
	defer c.close()
	last := make(chan bool)
	const n = 100
	ended := make(chan bool, n)
	for range n {
		c.add(task(func() {
			defer c.wait()()
			<-last
			ended <- true
		}))
	}
	c.turn()
	if len(ended) > 0 {
		t.Error("a turn waits for jobs that wait")
	}
	c.add(task(func() { close(last) }))
	for range n {
		await(t, ended)
	}
}

// TestVisitEnds has much arrive of one client and little of another, at the same
// time: the second one does not wait for all of the first.
func TestVisitEnds(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	h := newHouse()
	const n = 10 * visitLines
	verbs := make(chan string, n+1)
	h.dialect.Observe = func(verb string, _ time.Duration) { verbs <- verb }
	addr := h.listen(t, Options{})
	loud, first := h.dial(t, addr)
	quiet, second := h.dial(t, addr)
	lot := first.opt.Lot
	if lot == nil {
		return // each has its goroutine
	}
	parked(t, first)
	parked(t, second)
	proceed := make(chan bool)
	lot.crew.add(task(func() { <-proceed }))
	loud.say(repeat("ECHO\n", n))
	woken(t, first)
	quiet.say("HEARD\n")
	woken(t, second)
	close(proceed)
	for i := range n {
		if await(t, verbs) == "HEARD" && i <= visitLines {
			return
		}
	}
	t.Error("it waited for more than one visit's lines")
}

// woken waits until an event has come for c.
func woken(t *testing.T, c *Conn) {
	t.Helper()
	until(t, c, "an event comes", func() bool { return !c.parked })
}
