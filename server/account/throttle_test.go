package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("192.0.2.2")

	ani  = target{account: "ani"}
	budi = target{account: "budi"}
)

// A guesser makes attempts at a throttle.
type guesser struct {
	*testing.T
	*throttle
	limits Limits
}

func newGuesser(t *testing.T, most int, l Limits) guesser {
	return guesser{t, newThrottle(most), l}
}

// pending begins an attempt that has to be let in at once.
func (g guesser) pending(at target, addr netip.Addr) (end func(outcome)) {
	g.Helper()
	end, wait, err := g.tryBegin(g.limits, at, block(addr))
	if wait != nil || err != nil {
		g.Fatalf("attempt at %v from %v: waits %v, error %v", at, addr, wait != nil, err)
	}
	return end
}

func (g guesser) attempt(at target, addr netip.Addr, o outcome, times int) {
	g.Helper()
	for range times {
		g.pending(at, addr)(o)
	}
}

func (g guesser) refused(at target, addr netip.Addr) {
	g.Helper()
	if _, _, err := g.tryBegin(g.limits, at, block(addr)); !errors.Is(err, ErrThrottled) {
		g.Fatalf("attempt at %v from %v: error %v", at, addr, err)
	}
}

func (g guesser) waits(at target, addr netip.Addr) {
	g.Helper()
	if _, wait, err := g.tryBegin(g.limits, at, block(addr)); wait == nil {
		g.Fatalf("attempt at %v from %v does not wait, error %v", at, addr, err)
	}
}

func TestThrottlePair(t *testing.T) {
	g := newGuesser(t, 100, Limits{Pair: 3, Window: time.Minute})
	g.attempt(ani, here, failed, 3)
	g.refused(ani, here)
	g.pending(budi, here)
	g.pending(ani, there)
	g.pending(target{"ani", groupPassword}, here)
}

func TestThrottleAddress(t *testing.T) {
	g := newGuesser(t, 100, Limits{Pair: 3, Address: 5, Window: time.Minute})
	g.attempt(ani, here, failed, 3)
	g.attempt(target{"ani", groupPassword}, here, failed, 2)
	g.refused(budi, here)
	g.pending(budi, there)
}

func TestThrottleSuccess(t *testing.T) {
	g := newGuesser(t, 100, Limits{Pair: 3, Address: 5, Window: time.Minute})
	g.attempt(ani, here, failed, 2)
	g.attempt(ani, here, succeeded, 10)
	g.attempt(ani, here, withdrawn, 10)
	g.attempt(ani, here, failed, 3) // the earlier two are forgotten here
	g.refused(budi, here)           // but not here
}

func TestThrottleOff(t *testing.T) {
	for _, l := range []Limits{
		{Window: time.Minute},
		{Pair: 1, Address: 1},
	} {
		g := newGuesser(t, 100, l)
		for range 10 {
			defer g.pending(ani, here)(failed)
		}
		g.attempt(ani, here, failed, 10)
	}
}

func TestThrottleWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuesser(t, 100, Limits{Pair: 2, Address: 3, Window: time.Minute})
		g.attempt(ani, here, failed, 1)
		time.Sleep(30 * time.Second)
		g.attempt(ani, here, failed, 1)
		g.attempt(budi, there, failed, 2)
		late := g.pending(budi, here)
		for range 29 {
			time.Sleep(time.Second)
			g.refused(ani, here)
		}
		time.Sleep(time.Second) // a minute since the first one
		g.refused(budi, there)
		g.attempt(ani, here, failed, 1)
		late(failed) // counts for the window it began in
		g.attempt(ani, here, failed, 1)
		g.refused(ani, here)
		g.pending(budi, here)
	})
}

func TestThrottleBlock(t *testing.T) {
	for _, test := range []struct {
		one, other string
		same       bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:0:0:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
		{"", "", true},
		{"", "0.0.0.0", false},
		{"", "::", false},
	} {
		var one, other netip.Addr // zero for ""
		if test.one != "" {
			one = netip.MustParseAddr(test.one)
		}
		if test.other != "" {
			other = netip.MustParseAddr(test.other)
		}
		if (block(one) == block(other)) != test.same {
			t.Errorf("%q is in %v, %q in %v", test.one, block(one), test.other, block(other))
		}
	}
}

func TestThrottlePending(t *testing.T) {
	g := newGuesser(t, 100, Limits{Pair: 2, Address: 3, Window: time.Minute})
	first, second := g.pending(ani, here), g.pending(ani, here)
	g.waits(ani, here)
	third := g.pending(budi, here)
	g.waits(target{account: "citra"}, here)
	first(failed)
	g.waits(ani, here)
	second(succeeded)
	third(failed)
	g.attempt(ani, here, failed, 1)
	g.refused(ani, here)
}

func TestThrottleWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuesser(t, 100, Limits{Pair: 1, Window: time.Minute})
		first := g.pending(ani, here)

		ctx, cancel := context.WithCancel(t.Context())
		begun := make(chan error)
		begin := func(ctx context.Context) {
			end, err := g.begin(ctx, g.limits, ani, here)
			if err == nil {
				end(failed)
			}
			begun <- err
		}
		go begin(ctx)
		synctest.Wait()
		cancel()
		if err := <-begun; !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled while waiting: %v", err)
		}

		go begin(t.Context())
		go begin(t.Context())
		synctest.Wait()
		first(withdrawn)
		one, other := <-begun, <-begun
		if one != nil {
			one, other = other, one
		}
		if one != nil || !errors.Is(other, ErrThrottled) {
			t.Fatalf("after waiting: %v, %v", one, other)
		}
	})
}

// What is known when the memory is used up stays known, and nobody else is
// refused.
func TestThrottleFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuesser(t, 7, Limits{Pair: 2, Address: 4, Window: time.Minute})
		g.attempt(ani, here, failed, 2) // tracks 2
		for i := range 1000 {
			addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			g.attempt(ani, addr, failed, 1)
			if g.tracked > 7 {
				t.Fatalf("%d are tracked", g.tracked)
			}
		}
		g.refused(ani, here)
		g.attempt(ani, there, failed, 100)
		g.attempt(budi, here, succeeded, 1)
		if g.tracked != 7 {
			t.Fatalf("%d are tracked", g.tracked)
		}
		g.attempt(budi, here, failed, 2) // for the address alone
		g.refused(budi, here)

		time.Sleep(time.Minute)
		g.attempt(ani, there, failed, 2)
		g.refused(ani, there)
	})
}

func TestThrottleForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuesser(t, 1000, Limits{Pair: 3, Address: 10, Window: time.Minute})
		empty := func() {
			t.Helper()
			if len(g.sources) != 0 || g.order.Len() != 0 || g.tracked != 0 {
				t.Fatalf("%d sources, %d in order, %d tracked", len(g.sources), g.order.Len(), g.tracked)
			}
		}
		g.attempt(ani, here, succeeded, 1)
		g.attempt(ani, here, withdrawn, 1)
		empty()

		g.attempt(ani, here, failed, 1)
		g.attempt(budi, here, succeeded, 1)
		if len(g.sources[block(here)].targets) != 1 || g.tracked != 2 {
			t.Fatalf("%d tracked", g.tracked)
		}

		for i := range 5 {
			g.attempt(target{account: fmt.Sprint(i)}, here, failed, 1)
			g.attempt(target{account: fmt.Sprint(i)}, there, failed, 1)
			time.Sleep(time.Second)
		}
		late := g.pending(ani, netip.Addr{})
		time.Sleep(time.Minute)
		g.attempt(ani, here, succeeded, 1)
		late(withdrawn)
		empty()
	})
}
