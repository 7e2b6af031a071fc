package hub_test

import (
	"testing"
	"testing/synctest"
	"time"

	"posko/server/hub"
)

// inTrash runs a test with a trash of a day, in which u1's group dapur is.
func inTrash(t *testing.T, test func(t *testing.T, w *world, s map[int64]*client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := open(t, newMemory(9), hub.Settings{PrivateHistory: true, Trash: 24 * time.Hour})
		s := w.dapur()
		want(t, s[1].sendGroup("dapur", "one"), nil)
		want(t, s[1].moderate(hub.Ban, 6), nil)
		want(t, s[1].DropGroup("dapur"), nil)
		synctest.Wait()
		for _, c := range s {
			c.lines = nil
		}
		test(t, w, s)
	})
}

func TestRestore(t *testing.T) {
	inTrash(t, func(t *testing.T, w *world, s map[int64]*client) {
		if all := w.Dropped(); len(all) != 1 || all[0].ID != 1 || all[0].Name != "dapur" || all[0].Kept.Sub(all[0].At) != 24*time.Hour {
			t.Errorf("in the trash is %v", all)
		}
		want(t, w.RestoreGroup(2), hub.ErrNoGroup)
		// The name of the group is free, and so that of an account may be taken.
		want(t, w.CreateGroup("Dapur", "hash", user(7)), nil)
		want(t, w.RestoreGroup(1), hub.ErrNameTaken)
		want(t, w.DropGroup("dapur"), nil)
		w.store.accounts[10] = hub.Account{ID: 10, Name: "Dapur"}
		want(t, w.RestoreGroup(1), hub.ErrNameTaken)
		delete(w.store.accounts, 10)
		want(t, w.DeleteAccount(user(5)), nil)
		want(t, w.DeleteAccount(user(1)), nil)
		s[2].told() // of what happens to a dropped group
		w.Close()

		w = open(t, w.store, hub.Settings{Trash: 24 * time.Hour})
		budi := w.attach(2)
		want(t, w.RestoreGroup(1), nil)
		want(t, w.RestoreGroup(1), hub.ErrNoGroup)
		budi.told("ACT 13 dapur")
		if got := w.roles(); got != "u23 u32 u41" {
			t.Errorf("the roles are %s", got)
		}
		want(t, w.Join(1, user(6)), hub.ErrDenied)
		want(t, budi.sendGroup("dapur", "two"), nil)
		if got := w.Dropped(); len(got) != 1 || got[0].ID != 2 {
			t.Errorf("in the trash is %v", got)
		}
	})
}

// What is restored and dropped again in one round is there for those between.
func TestRestoreRound(t *testing.T) {
	inTrash(t, func(t *testing.T, w *world, s map[int64]*client) {
		g, _ := w.busy()
		restored := queue(func() error { return w.RestoreGroup(1) })
		again := queue(func() error { return w.RestoreGroup(1) })
		taken := queue(func() error { return w.CreateGroup("dapur", "hash", user(7)) })
		said := queue(func() error { return s[4].sendGroup("dapur", "two") })
		gone := queue(func() error { return w.DeleteAccount(user(5)) })
		dropped := queue(func() error { return s[1].DropGroup("dapur") })
		g.open()
		want(t, <-restored, nil)
		want(t, <-again, hub.ErrNoGroup)
		want(t, <-taken, hub.ErrNameTaken)
		want(t, <-said, nil)
		want(t, <-gone, nil)
		want(t, <-dropped, nil)
		s[2].told("ACT 13 dapur", "GRUP 2 dapur u4 two", "LEFT dapur u5", "ACT 10 dapur u1")
	})
}

func TestForget(t *testing.T) {
	inTrash(t, func(t *testing.T, w *world, s map[int64]*client) {
		time.Sleep(23 * time.Hour)
		synctest.Wait()
		if w.store.groups[1] == nil || w.store.sweeps != 1 { // after the start
			t.Errorf("forgotten too early, or swept %d times", w.store.sweeps)
		}
		if !w.Keeps(1) || w.Keeps(2) {
			t.Error("what is in the trash is not kept, or what never was is")
		}
		want(t, w.RestoreGroup(1), nil)
		want(t, s[1].DropGroup("dapur"), nil)
		time.Sleep(24 * time.Hour)
		want(t, w.RestoreGroup(1), hub.ErrNoGroup)
		if all := w.Dropped(); len(all) != 0 {
			t.Errorf("in the trash is %v", all)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.Keeps(1) || w.store.groups[1] != nil || w.store.sweeps != 2 {
			t.Errorf("not forgotten, or swept %d times", w.store.sweeps)
		}
	})
}
