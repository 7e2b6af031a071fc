package hub

import (
	"context"
	"maps"
	"slices"
	"time"
)

const (
	// keepTime is how often the hub does what can wait.
	keepTime = 10 * time.Second
	// idle is how many changes may come in that time for it to be a quiet one.
	idle = 100
	// mostBehind bounds what a Search may have to index first, in changes: some
	// seconds' work.
	mostBehind = 200_000
)

// keep does from time to time what nobody waits for, in small steps between
// rounds, until the hub is closed.
func (h *Hub) keep(ctx context.Context) {
	defer close(h.kept)
	tick := time.NewTicker(keepTime)
	defer tick.Stop()
	for changes := 0; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		h.savePositions(ctx)
		h.forgetTokens(ctx)
		h.sweep(ctx)
		h.forget(ctx)
		before := changes
		changes = h.rounds.count()
		if changes-before <= idle || changes-h.indexed >= mostBehind {
			h.index(ctx)
		}
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

// index makes messages known to Search, which does so itself with what is left.
// It stops when there is more to do than that, unless much is left.
func (h *Hub) index(ctx context.Context) {
	begun := h.rounds.count()
	for more := true; more; {
		now := h.rounds.count()
		if now-begun > idle && now-h.indexed < mostBehind {
			return
		}
		var err error
		if more, err = h.store.Index(ctx); err != nil {
			if ctx.Err() == nil {
				h.log.Error("messages not indexed", "err", err)
			}
			return
		}
		if !more {
			h.indexed = now
		}
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
