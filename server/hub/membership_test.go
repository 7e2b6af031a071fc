package hub_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"posko/server/hub"
)

func TestCreateGroup(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		want(t, w.CreateGroup("Dapur", "hash", user(1)), nil)
		for _, name := range []string{"Dapur", "DAPUR", "u3"} {
			want(t, w.CreateGroup(name, "hash", user(2)), hub.ErrNameTaken)
		}
		members, err := w.Members("dapur")
		want(t, err, nil)
		if len(members) != 1 || members[0].Role != hub.Owner || members[0].Account != user(1) {
			t.Errorf("the members are %v", members)
		}
		if r, ok := w.store.rounds[0][0].(hub.RecordGroup); !ok || r.Password != "hash" || r.Name != "Dapur" {
			t.Errorf("recorded %+v", w.store.rounds[0])
		}
		ani := w.attach(1)
		want(t, ani.sendGroup("dapur", "halo"), nil)
	})
}

func TestJoin(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		id := w.group("Dapur", 1)
		ani, budi, budi2 := w.attach(1), w.attach(2), w.attach(2)
		want(t, budi.sendGroup("dapur", "too early"), hub.ErrNotMember)
		want(t, ani.sendGroup("dapur", "before"), nil)
		if got, err := budi.Joinable("dapur"); got.Group != id || err != nil {
			t.Errorf("joinable: %v, %v", got, err)
		}
		_, err := budi.Joinable("kebun")
		want(t, err, hub.ErrNoGroup)
		want(t, budi.join(hub.Entrance{Group: id}), nil)
		_, err = budi.Joinable("dapur")
		want(t, err, hub.ErrMember)
		want(t, budi.join(hub.Entrance{Group: id}), hub.ErrMember)
		want(t, budi.join(hub.Entrance{Group: id + 1}), hub.ErrNoGroup)
		ani.told("JOINED Dapur u2")
		budi2.told("JOINED Dapur u2")
		budi.told() // it has its answer
		budi.checked()
		want(t, ani.sendGroup("dapur", "after"), nil)
		budi.told("GRUP 2 Dapur u1 after")
	})
}

func TestLeave(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		ani, budi, budi2 := w.attach(1), w.attach(2), w.attach(2)
		want(t, w.Leave("DAPUR", budi.who, budi.Session), nil)
		want(t, w.Leave("dapur", budi.who, budi.Session), hub.ErrNotMember)
		want(t, w.Leave("kebun", budi.who, budi.Session), hub.ErrNoGroup)
		want(t, ani.sendGroup("dapur", "without him"), nil)
		want(t, budi.sendGroup("dapur", "outside"), hub.ErrNotMember)
		ani.told("LEFT dapur u2")
		budi.told()
		budi2.told()
		budi.checked()
	})
}

// Nothing is known any more of how far somebody has read who has left.
func TestLeavePosition(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		ani, budi := w.attach(1), w.attach(2)
		want(t, ani.sendGroup("dapur", "one"), nil)
		synctest.Wait()
		budi.hear()
		want(t, w.Leave("dapur", budi.who, budi.Session), nil)
		w.store.onSave = func(positions map[int64]int64) {
			t.Errorf("saved %v", positions)
		}
		budi.Detach(true)
		w.store.onSave = nil
	})
}

// Who comes and goes does so at a place among the messages of a round.
func TestPlaces(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		id := w.group("dapur", 1, 2)
		ani, budi, citra := w.attach(1), w.attach(2), w.attach(3)
		g, _ := w.busy()
		var got []<-chan error
		add := func(change func() error) { got = append(got, queue(change)) }
		for i := range 4 {
			add(func() error { return ani.sendGroup("dapur", fmt.Sprint(i)) })
			switch i {
			case 0:
				add(func() error { return citra.join(hub.Entrance{Group: id}) })
			case 1:
				add(func() error { return citra.sendGroup("dapur", "in") })
				add(func() error { return w.Leave("dapur", citra.who, citra.Session) })
			case 2:
				add(func() error { return citra.join(hub.Entrance{Group: id}) })
			}
		}
		g.open()
		for _, result := range got {
			want(t, <-result, nil)
		}
		if n := w.store.commits(); n != 4 { // two for the group, the first message
			t.Errorf("%d rounds", n)
		}
		citra.told("GRUP 2 dapur u1 1", "GRUP 5 dapur u1 3")
		budi.told("GRUP 1 dapur u1 0", "JOINED dapur u3", "GRUP 2 dapur u1 1", "GRUP 3 dapur u3 in", "LEFT dapur u3",
			"GRUP 4 dapur u1 2", "JOINED dapur u3", "GRUP 5 dapur u1 3")
		citra.checked()
	})
}

func TestOwner(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		id := w.group("dapur", 1)
		time.Sleep(time.Second) // in the bubble's time: who joined when
		want(t, w.Join(id, user(3)), nil)
		want(t, w.Join(id, user(4)), nil)
		time.Sleep(time.Second)
		want(t, w.Join(id, user(2)), nil)
		owned := func(by int64) {
			t.Helper()
			members, _ := w.Members("dapur")
			for _, m := range members {
				if (m.Role == hub.Owner) != (m.Account.ID == by) {
					t.Errorf("u%d should own the group of %v", by, members)
				}
			}
			if stored := w.store.groups[id].Members; !slices.ContainsFunc(stored, func(m hub.StoredMember) bool {
				return m.Account.ID == by && m.Role == hub.Owner
			}) {
				t.Errorf("stored: %v", stored)
			}
		}
		owned(1)
		want(t, w.Leave("dapur", user(4), nil), nil)
		owned(1)
		want(t, w.Join(id, user(4)), nil)
		want(t, w.Leave("dapur", user(1), nil), nil)
		owned(3) // longer there than 2 and 4
		want(t, w.DeleteAccount(user(3)), nil)
		owned(2)
		want(t, w.Leave("dapur", user(2), nil), nil)
		want(t, w.Leave("dapur", user(4), nil), nil)
		if g, err := w.Group("dapur"); err != nil || g.Members != 0 {
			t.Errorf("the group is %+v, %v", g, err)
		}
		want(t, w.Join(id, user(5)), nil)
		owned(5)
	})
}

// An operator inherits before members who have been there longer.
func TestOperatorInherits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory(4)
		w := open(t, store, defaults)
		id := w.group("dapur", 1, 2, 3, 4)
		w.Close()
		members := store.groups[id].Members
		members[2].Role, members[3].Role = hub.Operator, hub.Operator
		w = open(t, store, defaults)
		want(t, w.Leave("dapur", user(1), nil), nil)
		if m, _ := w.Members("dapur"); m[1].Role != hub.Owner || m[0].Role != hub.Member || m[2].Role != hub.Operator {
			t.Errorf("the members are %v", m)
		}
	})
}

func TestDropGroup(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		old := w.group("dapur", 1, 2)
		ani, budi := w.attach(1), w.attach(2)
		want(t, ani.sendGroup("dapur", "old"), nil)
		want(t, w.DropGroup("DAPUR"), nil)
		want(t, w.DropGroup("dapur"), hub.ErrNoGroup)
		budi.told("GRUP 1 dapur u1 old", "ACT 10 dapur")
		ani.told("ACT 10 dapur")
		want(t, w.Join(old, user(3)), hub.ErrNoGroup)
		want(t, ani.sendGroup("dapur", "gone"), hub.ErrNoGroup)
		if len(w.Groups()) != 0 || len(budi.Groups()) != 0 {
			t.Error("it is still listed")
		}
		budi.checked()
		if w.group("dapur", 2) == old {
			t.Error("an id was given twice")
		}
		want(t, budi.sendGroup("dapur", "new"), nil)
		want(t, ani.sendGroup("dapur", "not in"), hub.ErrNotMember)
	})
}

// Within a round a name is free at once, and a group that goes takes what comes
// later with it.
func TestDropGroupRound(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		old := w.group("dapur", 1)
		ani := w.attach(1)
		g, _ := w.busy()
		var got []<-chan error
		add := func(change func() error) { got = append(got, queue(change)) }
		add(func() error { return w.DropGroup("dapur") })
		add(func() error { return w.DropGroup("dapur") })
		add(func() error { return ani.sendGroup("dapur", "gone") })
		add(func() error { return w.Join(old, user(2)) })
		add(func() error { return w.CreateGroup("dapur", "", user(2)) })
		add(func() error { return ani.sendGroup("dapur", "not in") })
		add(func() error { return w.CreateGroup("DAPUR", "", user(3)) })
		add(func() error { return w.DropGroup("dapur") })
		add(func() error { return w.CreateGroup("DAPUR", "", user(3)) })
		g.open()
		for i, err := range []error{
			nil, hub.ErrNoGroup, hub.ErrNoGroup, hub.ErrNoGroup, nil, hub.ErrNotMember, hub.ErrNameTaken, nil, nil,
		} {
			if got := <-got[i]; !errors.Is(got, err) {
				t.Errorf("result %d is %v, want %v", i, got, err)
			}
		}
		if m, _ := w.Members("dapur"); len(m) != 1 || m[0].Account != user(3) {
			t.Errorf("the members are %v", m)
		}
		if all := w.Groups(); len(all) != 1 || all[0].Name != "DAPUR" {
			t.Errorf("the groups are %v", all)
		}
	})
}
