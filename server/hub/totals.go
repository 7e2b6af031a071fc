package hub

// Totals are what a hub has done since it was made.
type Totals struct {
	// Rounds, and the changes in them: those that were refused as well.
	Rounds, Changes int64
	// Messages that were accepted, by kind.
	Private, Group, Broadcasts int64
	// Deliveries are the events of every kind that were queued for sessions.
	Deliveries int64
}

// Totals returns them as they are now.
func (h *Hub) Totals() Totals {
	h.mu.Lock()
	t := h.totals
	h.mu.Unlock()
	q := &h.rounds
	q.mu.Lock()
	defer q.mu.Unlock()
	t.Rounds, t.Changes = int64(q.round), int64(q.changes)
	return t
}

// OnlineCount is how many accounts can be told something.
func (h *Hub) OnlineCount() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.byName)
}
