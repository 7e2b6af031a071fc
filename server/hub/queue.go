package hub

import (
	"sync"
	"time"
)

// Bounds of a round. A round that is larger gains nothing and makes everybody
// wait for its end.
const (
	roundChanges = 1000
	roundBytes   = 1 << 20
	sessionShare = 64 // changes of one session in one round
	// queueBytes bounds what waits for a round. More than that is handed in only
	// by who has seen room a moment before.
	queueBytes = 16 << 20
	// answerTime is how long an answer may wait to be written together with what
	// else is said to its session, where several talk. Without it a private
	// message costs two writes, one to either side; with it, where they talk to
	// each other, one.
	answerTime = 5 * time.Millisecond
	// changeCost is what a change weighs beside its text, in bytes.
	changeCost = 512
)

// A handed change waits for its place in the order of all.
type handed struct {
	change change
	from   *Session // nil for an operator
	size   int
	done   func(error)
	taken  bool // the store has refused the name of the group that it makes
	err    error
}

// A queue holds the changes that the next rounds will take.
type queue struct {
	mu      sync.Mutex
	waiting []*handed
	bytes   int
	round   int // how many there were
	changes int // taken, in all of them
	closed  bool
	filled  sync.Cond // something waits, or the queue is closed
	room    sync.Cond
}

func (q *queue) init() { q.filled.L, q.room.L = &q.mu, &q.mu }

// hand puts a change behind all others. done is called with its result, exactly
// once, and must neither wait nor call the hub.
func (h *Hub) hand(c change, from *Session, text string, done func(error)) {
	q := &h.rounds
	size := len(text) + changeCost
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		done(ErrClosed)
		return
	}
	q.waiting = append(q.waiting, &handed{change: c, from: from, size: size, done: done})
	q.bytes += size
	q.mu.Unlock()
	q.filled.Signal()
}

// Full says that no message should be handed in at the moment, since very many
// wait for a round.
func (s *Session) Full() bool {
	q := &s.hub.rounds
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.full()
}

func (q *queue) full() bool { return !q.closed && q.bytes > queueBytes }

// awaitRoom waits until the queue is not full.
func (q *queue) awaitRoom() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.full() {
		q.room.Wait()
	}
}

// do hands in a change, as soon as there is room, and waits for its result.
func (h *Hub) do(c change, from *Session) error {
	h.rounds.awaitRoom()
	done := make(chan error, 1)
	h.hand(c, from, "", func(err error) { done <- err })
	return <-done
}

// filledWithin waits for changes, and says whether there are some within d. A
// queue that is closed counts as one with changes.
func (q *queue) filledWithin(d time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	late := false
	timer := time.AfterFunc(d, func() {
		q.mu.Lock()
		late = true
		q.mu.Unlock()
		q.filled.Signal()
	})
	defer timer.Stop()
	for len(q.waiting) == 0 && !q.closed && !late {
		q.filled.Wait()
	}
	return len(q.waiting) > 0 || q.closed
}

// take waits for changes and for the round's turn, and returns a round of them,
// in order; nil when the queue is closed and empty. A session that hands in more
// than its share leaves room for others, its own changes staying in order.
func (q *queue) take(turn func()) []*handed {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && !q.closed {
		q.filled.Wait()
	}
	q.mu.Unlock()
	turn()
	q.mu.Lock()
	q.round++
	var round, left []*handed
	size := 0
	for i, c := range q.waiting {
		if len(round) == roundChanges || size > roundBytes {
			left = append(left, q.waiting[i:]...)
			break
		}
		if s := c.from; s != nil {
			if s.round != q.round {
				s.round, s.share = q.round, 0
			}
			if s.share == sessionShare {
				left = append(left, c)
				continue
			}
			s.share++
		}
		round = append(round, c)
		size += c.size
	}
	q.changes += len(round)
	q.waiting = left
	q.bytes -= size
	q.room.Broadcast()
	return round
}

// count is how many changes were taken.
func (q *queue) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.changes
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.filled.Broadcast()
	q.room.Broadcast()
}
