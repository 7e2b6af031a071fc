package main

import (
	"context"
	"fmt"
	"time"
)

// A load is what the clients of a scene do.
type load struct {
	name     string
	senders  int // of each group, its first members
	underWay int // messages in all; the next one goes when all have one
	rate     int // messages a second; if not 0, it takes the place of underWay
	goal     goal
	p99      time.Duration // a goal too, if not 0
}

// A sample is what one window of a load came to.
type sample struct {
	cost float64 // µs of the server's processor for a delivery
	rate float64 // deliveries a second
	p99  float64 // ms from sending to delivery
}

// run lets the load go for warm and then for span, which is measured, and waits
// until everybody has everything.
func (h *hall) run(ctx context.Context, l load, warm, span time.Duration, measured func(func() error) error) (sample, error) {
	for _, g := range h.groups {
		g.senders = l.senders
	}
	h.latency.Store(new(histogram))
	pace := make(chan struct{})
	defer func() { <-pace }()
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	if l.rate > 0 {
		go func() { defer close(pace); h.pace(stop, l.rate) }()
	} else {
		close(pace)
		h.again.Store(true)
		for n := range h.groups {
			h.send(n, l.underWay/len(h.groups))
		}
	}
	if err := h.wait(ctx, warm); err != nil {
		return sample{}, err
	}
	var s sample
	err := measured(func() error {
		h.latency.Store(new(histogram))
		start, cpu, delivered := time.Now(), h.cpu(), h.delivered.Load()
		if err := h.wait(ctx, span); err != nil {
			return err
		}
		cpu, delivered = h.cpu()-cpu, h.delivered.Load()-delivered
		s.cost = cpu.Seconds() * 1e6 / float64(delivered)
		s.rate = float64(delivered) / time.Since(start).Seconds()
		s.p99 = h.latency.Load().quantile(0.99).Seconds() * 1e3
		return nil
	})
	cancel()
	h.again.Store(false)
	<-pace
	if err != nil {
		return sample{}, err
	}
	return s, h.drain(ctx)
}

// wait waits for d, or for the first failure.
func (h *hall) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case err := <-h.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain waits until no message is under way: none is missing then, since each
// member got each sender's messages in their order.
func (h *hall) drain(ctx context.Context) error {
	for deadline := time.Now().Add(time.Minute); h.underWay.Load() > 0; {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d messages have not come to everybody", h.underWay.Load())
		}
		if err := h.wait(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	if got, want := h.delivered.Load(), h.sent.Load()*int64(h.members-h.stuck-1); got != want {
		return fmt.Errorf("%d deliveries of %d", got, want)
	}
	return nil
}

// pace sends rate messages a second, the groups taking turns.
func (h *hall) pace(ctx context.Context, rate int) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for ; n < int(time.Since(start).Seconds()*float64(rate)); n++ {
			h.send(n%len(h.groups), 1)
		}
	}
}
