package hub

import (
	"testing"
	"time"
)

// Of very many accounts a pacer remembers those that owe something.
func TestPacerSweep(t *testing.T) {
	var p pacer
	p.set(Pace{Burst: 2, Rate: 1})
	now := time.Now()
	for id := range int64(leastSweep) {
		p.next(id, now)
	}
	now = now.Add(time.Minute)
	p.next(0, now)
	p.next(0, now)
	p.next(leastSweep, now)
	if len(p.of) != 2 {
		t.Errorf("%d are remembered", len(p.of))
	}
	if wait := p.next(0, now); wait != time.Second {
		t.Errorf("who owes something waits %v", wait)
	}
}
