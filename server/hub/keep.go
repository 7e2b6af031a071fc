package hub

import (
	"context"
	"maps"
	"slices"
	"time"
)

// keepTime is how often the hub does what can wait.
const keepTime = 10 * time.Second

// keep does from time to time what nobody waits for, in small steps between
// rounds, until the hub is closed.
func (h *Hub) keep(ctx context.Context) {
	defer close(h.kept)
	tick := time.NewTicker(keepTime)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		h.savePositions(ctx)
		h.forgetTokens(ctx)
	}
}

// savePositions stores the read positions that have moved since they were
// stored: what a crash makes CHECK repeat is no older than the last time.
func (h *Hub) savePositions(ctx context.Context) {
	h.mu.Lock()
	accounts := slices.Collect(maps.Keys(h.people))
	h.mu.Unlock()
	for _, id := range accounts {
		h.mu.Lock()
		var positions map[int64]int64
		if p := h.people[id]; p != nil {
			positions = p.changed()
		}
		h.mu.Unlock()
		h.save(ctx, id, positions)
	}
}

// forgetTokens forgets those that nobody will repeat.
func (h *Hub) forgetTokens(ctx context.Context) {
	before := time.Now().Add(-tokenTime)
	h.mu.Lock()
	old := false
	for id, s := range h.spent {
		for len(s.order) > 0 && !s.at[s.order[0]].After(before) {
			delete(s.at, s.order[0])
			s.order = s.order[1:]
			old = true
		}
		if len(s.order) == 0 {
			delete(h.spent, id)
		}
	}
	h.mu.Unlock()
	if !old {
		return
	}
	if err := h.store.ForgetTokens(ctx, before); err != nil {
		h.log.Error("old tokens not deleted", "err", err)
	}
}
