package account

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
	"time"
)

// maxTracked bounds the throttle's memory, to some 30 MB. An attempt is only
// counted when it is about to be hashed, so at the default cost it takes more
// than a hundred hashes in every second of a window to get there.
const maxTracked = 100_000

// Limits say how many wrong passwords are answered before the next attempts are
// refused unread. A limit of 0 is off, and so are both if Window is 0.
//
// The window is fixed: it begins with an address's first attempt, and all that
// was counted for the address is forgotten when it ends. A refused attempt
// doesn't prolong it. So no stretch of time as long as a window sees more than
// twice the limit.
type Limits struct {
	Pair    int // wrong passwords for one account from one address
	Address int // wrong passwords from one address, for whatever account
	Window  time.Duration
}

// A throttle counts wrong passwords by address and, within an address, by what
// they were meant for. It never counts by account alone: nobody can lock out
// another who is elsewhere.
//
// An attempt is counted before its password is looked at. While those under way
// would fill a limit if all of them failed, others wait for their outcome: so
// guessing in parallel tests no more passwords, and a crowd that logs in from
// one address at once is not refused.
//
// When maxTracked addresses and targets are known, further ones are let in
// uncounted. To forget older ones instead would let a guesser with many
// addresses evict himself, and to refuse would let him lock out everybody; and
// who has that many addresses has more guesses by them than he gains.
type throttle struct {
	max int // maxTracked, less in tests

	mu      sync.Mutex
	sources map[netip.Prefix]*source
	order   list.List     // of *source, the oldest first
	tracked int           // the number of sources and of all their targets
	ended   chan struct{} // closed, and made anew, when an attempt ends
}

// A source is an address from which attempts have come in its window.
type source struct {
	prefix  netip.Prefix
	start   time.Time
	place   *list.Element
	all     tally
	targets map[target]*tally
}

// A target is what a password was meant for. Logins, the passwords of groups
// and the codes of invitations are counted apart, and all groups together: a right password of one's own
// account or group doesn't buy more guesses at another's group.
type target struct {
	account string // the Key of its name, which may be one that nobody has
	of      secret
}

// A secret is what is guessed at.
type secret int

const (
	accountPassword secret = iota
	groupPassword          // of any group, by that account
	invitation             // a code, by nobody
)

// A tally counts attempts: those that failed, and those under way.
type tally struct{ failed, pending int }

// An outcome is how an attempt ended.
type outcome int

const (
	withdrawn outcome = iota // it is as if it had never been made
	failed
	succeeded // and the target's earlier failures are forgotten
)

func newThrottle(most int) *throttle {
	return &throttle{max: most, sources: map[netip.Prefix]*source{}, ended: make(chan struct{})}
}

// begin counts an attempt. It waits while those under way may fill a limit, and
// returns ErrThrottled when failed ones have, or the error of ctx. Otherwise
// end must be called once, with the outcome.
func (t *throttle) begin(ctx context.Context, l Limits, at target, addr netip.Addr) (end func(outcome), err error) {
	for {
		end, wait, err := t.tryBegin(l, at, block(addr))
		if wait == nil {
			return end, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tryBegin is one round of begin. If it has to wait, it returns the channel
// that is closed when any attempt ends.
func (t *throttle) tryBegin(l Limits, at target, prefix netip.Prefix) (end func(outcome), wait chan struct{}, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(l.Window)
	var all, one tally
	from := t.sources[prefix]
	if from != nil {
		all = from.all
		if to := from.targets[at]; to != nil {
			one = *to
		}
	}
	reached := func(count, limit int) bool { return limit > 0 && count >= limit }
	switch {
	case reached(all.failed, l.Address) || reached(one.failed, l.Pair):
		return nil, nil, ErrThrottled
	case reached(all.failed+all.pending, l.Address) || reached(one.failed+one.pending, l.Pair):
		return nil, t.ended, nil
	}

	if from == nil {
		from = &source{prefix: prefix, start: time.Now(), targets: map[target]*tally{}}
		if t.tracked < t.max {
			t.sources[prefix] = from
			from.place = t.order.PushBack(from)
			t.tracked++
		}
	}
	to := from.targets[at]
	if to == nil {
		to = &tally{}
		if t.tracked < t.max {
			from.targets[at] = to
			t.tracked++
		}
	}
	from.all.pending++
	to.pending++
	return func(o outcome) { t.end(from, at, to, o) }, nil, nil
}

func (t *throttle) end(from *source, at target, to *tally, o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.ended)
	t.ended = make(chan struct{})
	from.all.pending--
	to.pending--
	switch o {
	case failed:
		from.all.failed++
		to.failed++
	case succeeded:
		to.failed = 0
	}
	if t.sources[from.prefix] != from {
		return // its window has ended meanwhile
	}
	if *to == (tally{}) && from.targets[at] == to {
		delete(from.targets, at)
		t.tracked--
	}
	if from.all == (tally{}) {
		t.forget(from)
	}
}

// expire forgets the sources whose window has ended.
func (t *throttle) expire(window time.Duration) {
	for e := t.order.Front(); e != nil; e = t.order.Front() {
		from := e.Value.(*source)
		if time.Since(from.start) < window {
			return
		}
		t.forget(from)
	}
}

func (t *throttle) forget(from *source) {
	delete(t.sources, from.prefix)
	t.order.Remove(from.place)
	t.tracked -= 1 + len(from.targets)
}

// block is what counts as one address: an IPv4 address, also when mapped into
// IPv6, or an IPv6 /64, which is the least that a subscriber gets. The zero
// Addr counts as an address of its own.
func block(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap()
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits) // fails for the zero Addr alone
	return prefix
}
