package server

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limits bounds how many connections there are, in all and from one address. An
// IPv6 address counts as its /64, which is what one customer has.
type limits struct {
	log      *slog.Logger
	sometime rate.Sometimes // a flood of connections must not flood the log

	mu           sync.Mutex
	most, mostOf int // 0 is no bound
	all          int
	of           map[netip.Prefix]int
	// refusals, for one bound and the other
	tooMany, tooManyOf int64
}

// logEvery is how often a refusal is logged at the most.
const logEvery = 10 * time.Second

func newLimits(log *slog.Logger) limits {
	return limits{log: log, sometime: rate.Sometimes{Interval: logEvery}, of: map[netip.Prefix]int{}}
}

func (l *limits) set(most, mostOf int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most, l.mostOf = most, mostOf
}

// admit counts a connection. If ok, release must be called at its end.
func (l *limits) admit(from net.Addr) (release func(), ok bool) {
	prefix := prefixOf(from)
	l.mu.Lock()
	all, of := l.all, l.of[prefix]
	full, fullOf := l.most > 0 && all >= l.most, l.mostOf > 0 && of >= l.mostOf
	switch {
	case full:
		l.tooMany++
	case fullOf:
		l.tooManyOf++
	default:
		l.all++
		l.of[prefix]++
	}
	l.mu.Unlock()
	if full || fullOf {
		l.sometime.Do(func() {
			l.log.Warn("connection refused: too many", "address", from, "connections", all, "of_address", of)
		})
		return nil, false
	}
	return func() { l.release(prefix) }, true
}

// refused is how often admit has refused for each bound.
func (l *limits) refused() (all, of int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tooMany, l.tooManyOf
}

func (l *limits) release(prefix netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.of[prefix]--; l.of[prefix] == 0 {
		delete(l.of, prefix)
	}
}

// prefixOf is what an address counts as. One that is not TCP's counts as the
// zero prefix.
func prefixOf(a net.Addr) netip.Prefix {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip := at.Addr().Unmap()
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, err := ip.Prefix(bits) // without a zone
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
