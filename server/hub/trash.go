package hub

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// A group that was dropped stays in the trash for a time, from which it can be
// restored. Then it is forgotten, and its messages are swept in small steps.

// A Dropped is a group in the trash.
type Dropped struct {
	ID   int64
	Name string
	At   time.Time
	Kept time.Time // until then
}

// Dropped lists the groups that can be restored, the last one first.
func (h *Hub) Dropped() []Dropped {
	h.mu.Lock()
	defer h.mu.Unlock()
	keep := h.settings.Load().Trash
	var all []Dropped
	for _, g := range h.trash {
		if !h.expired(g, time.Now()) {
			all = append(all, Dropped{g.id, g.name, g.dropped, g.dropped.Add(keep)})
		}
	}
	slices.SortFunc(all, func(a, b Dropped) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID)) })
	return all
}

func (h *Hub) expired(g *group, now time.Time) bool {
	return !now.Before(g.dropped.Add(h.settings.Load().Trash))
}

// Keeps says whether there is a group of that id, or can be again: in the trash.
func (h *Hub) Keeps(group int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.groups[group] != nil || h.trash[group] != nil
}

// inTrash finds a dropped group at this place.
func (r *round) inTrash(id int64) (*group, error) {
	g := r.h.trash[id]
	if g == nil || r.made[key(g.name)] == g { // an earlier change restores it
		return nil, ErrNoGroup
	}
	return g, nil
}

// restoreGroup brings a dropped group back.
type restoreGroup struct {
	id    int64
	group *group
}

// RestoreGroup brings a dropped group back as it was, for an operator of the
// server. It returns ErrNoGroup if none of that id is in the trash, or
// ErrNameTaken.
func (h *Hub) RestoreGroup(id int64) error { return h.do(&restoreGroup{id: id}, nil) }

func (b *restoreGroup) named() int64 { return b.id }

func (b *restoreGroup) plan(r *round) error {
	g, err := r.inTrash(b.id)
	if err != nil || r.h.expired(g, r.now) {
		return ErrNoGroup
	}
	if _, err := r.group(g.name); err == nil {
		return ErrNameTaken
	}
	b.group = g
	r.made[key(g.name)] = g
	r.records = append(r.records, RecordRestoreGroup{Group: g.id, Name: g.name})
	r.act(g, Account{}, Restore, Account{}, "")
	return nil
}

func (b *restoreGroup) apply(r *round) {
	delete(r.h.trash, b.id)
	b.group.dropped = time.Time{}
	r.h.addGroup(b.group)
	r.answer(nil)
	r.tellAct(b.group, Account{}, Restore, "", "")
}

// forgetGroup is the end of a dropped group's time in the trash.
type forgetGroup struct{ id int64 }

func (f *forgetGroup) plan(r *round) error {
	g, err := r.inTrash(f.id)
	if err != nil || !r.h.expired(g, r.now) {
		return ErrNoGroup
	}
	r.dropped[g] = true // nothing later in this round finds it
	r.records = append(r.records, RecordForgetGroup{Group: f.id})
	return nil
}

func (f *forgetGroup) apply(r *round) { delete(r.h.trash, f.id) }

// forget forgets the groups whose time in the trash is over, and deletes the
// messages of forgotten groups; those of an earlier run of the server, too.
func (h *Hub) forget(ctx context.Context) {
	h.mu.Lock()
	all := slices.Collect(maps.Values(h.trash))
	h.mu.Unlock()
	for _, g := range all {
		if !h.expired(g, time.Now()) {
			continue
		}
		if err := h.do(&forgetGroup{g.id}, nil); err == nil {
			h.log.Info("dropped group forgotten", "group", g.name, "id", g.id)
			h.swept = false
		}
	}
	if h.swept {
		return
	}
	err := h.store.SweepForgotten(ctx)
	if err != nil && ctx.Err() == nil {
		h.log.Error("messages of dropped groups not deleted", "err", err)
	}
	h.swept = err == nil
}
