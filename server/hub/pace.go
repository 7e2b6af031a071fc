package hub

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A Pace is how fast messages are taken: Burst at once, and Rate a second in the
// long run. Where either is 0 there is no bound.
type Pace struct{ Burst, Rate int }

// A pacer keeps the pace of many, each by its id. What it remembers outlives
// sessions, so that nobody gets another burst by logging in again.
type pacer struct {
	mu      sync.Mutex
	pace    Pace
	of      map[int64]*rate.Limiter
	sweepAt int // entries
}

// leastSweep is how many entries are kept without asking which are needed.
const leastSweep = 1024

// set changes the pace. It forgets what was said before, if that is a change.
func (p *pacer) set(pace Pace) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pace != pace || p.of == nil {
		p.pace, p.of, p.sweepAt = pace, map[int64]*rate.Limiter{}, leastSweep
	}
}

// next takes the next place for a message and returns how far off it is.
func (p *pacer) next(id int64, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pace.Burst == 0 || p.pace.Rate == 0 {
		return 0
	}
	l := p.of[id]
	if l == nil {
		if len(p.of) >= p.sweepAt {
			p.sweep(now)
		}
		l = rate.NewLimiter(rate.Limit(p.pace.Rate), p.pace.Burst)
		p.of[id] = l
	}
	return l.ReserveN(now, 1).DelayFrom(now)
}

// sweep forgets whoever has a whole burst again.
func (p *pacer) sweep(now time.Time) {
	for id, l := range p.of {
		if l.TokensAt(now) >= float64(p.pace.Burst) {
			delete(p.of, id)
		}
	}
	p.sweepAt = max(leastSweep, 2*len(p.of))
}

// Pace takes a place for one message in the pace of the session's account, and
// in that of a group that it is for, unless that is "". It returns how long to
// wait before the message is handed in. Who may not say anything in a group
// doesn't slow it down.
func (s *Session) Pace(group string) time.Duration {
	h, now := s.hub, time.Now()
	wait := h.byAccount.next(s.at.Account.ID, now)
	if group == "" {
		return wait
	}
	h.mu.Lock()
	g, err := s.member(group)
	mute := err == nil && g.standing(s.at.Account.ID).mute()
	h.mu.Unlock()
	if err != nil || mute {
		return wait
	}
	return max(wait, h.byGroup.next(g.id, now))
}
