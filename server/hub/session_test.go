package hub_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"posko/server/hub"
)

func TestSend(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ani, ani2, budi, budi2 := w.attach(1), w.attach(1), w.attach(2), w.attach(2)
		w.attachFiles(3)
		want(t, ani.send("U2", "halo"), nil)
		ani.told()
		for _, c := range []*client{ani2, budi, budi2} {
			c.told("MSG 1 u1 u2 halo")
		}
		want(t, budi.send("u1", "hai"), nil)
		ani.told("MSG 2 u2 u1 hai")
		for name, err := range map[string]error{"u3": hub.ErrOffline, "u4": hub.ErrOffline, "nobody": hub.ErrOffline} {
			if got := ani.send(name, "halo?"); got != err {
				t.Errorf("SEND to %s: %v", name, got)
			}
		}
		want(t, ani.send("u1", "to myself"), nil)
		for _, c := range []*client{ani, ani2} {
			synctest.Wait()
			if !slices.Contains(c.lines, "MSG 1 u1 u1 to myself") {
				t.Errorf("told %q", c.lines)
			}
		}
	})
}

// The answer comes before what it announces, and before what is said later.
func TestAnswerFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ani := w.attach(1)
		g, _ := w.busy()
		for _, text := range []string{"one", "two"} {
			ani.Send("u1", text, "", func(error) { ani.Append([]byte("OK " + text + "\n")) })
		}
		ani.Send("u2", "three", "", func(err error) { ani.Append([]byte("ERR\n")) })
		g.open()
		ani.told("OK one", "MSG 1 u1 u1 one", "OK two", "MSG 2 u1 u1 two", "ERR")
	})
}

// An account that goes while its message is being committed has it kept.
func TestSendGone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ani, budi := w.attach(1), w.attach(2)
		g, _ := w.busy()
		sent := queue(func() error { return ani.send("u2", "kept") })
		g.result <- nil // the next round is planned
		synctest.Wait()
		budi.Detach(true)
		g.open()
		want(t, <-sent, nil)
		budi.told()
		w.attach(2).checked("kept")
	})
}

func TestNoPrivateHistory(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Configure(hub.Settings{})
		ani, budi := w.attach(1), w.attach(2)
		want(t, ani.send("u2", "fleeting"), nil)
		budi.told("MSG 0 u1 u2 fleeting")
		if n := w.store.commits(); n != 0 {
			t.Errorf("%d commits", n)
		}
		budi.Detach(false)
		want(t, ani.send("u2", "too late"), hub.ErrOffline)
		w.attach(2).checked()
	})
}

// Without a history, [OK] means that somebody was told.
func TestNoPrivateHistoryGone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ani, budi := w.attach(1), w.attach(2)
		g, _ := w.busy()
		w.Configure(hub.Settings{})
		sent := queue(func() error { return ani.send("u2", "lost") })
		created := queue(func() error { return w.CreateGroup("dapur", "", user(1)) })
		g.result <- nil // the next round is planned
		synctest.Wait()
		budi.Detach(true)
		g.open()
		want(t, <-sent, hub.ErrOffline)
		want(t, <-created, nil)
	})
}

func TestBroadcast(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ani, ani2, budi := w.attach(1), w.attach(1), w.attach(2)
		w.attachFiles(2)
		want(t, ani.broadcast("halo"), hub.ErrDenied)
		w.SetAdmin(1, true)
		w.SetAdmin(7, true) // not connected
		want(t, ani.broadcast("halo semua"), nil)
		want(t, budi.broadcast("halo"), hub.ErrDenied)
		ani.told()
		ani2.told("ALL u1 halo semua")
		budi.told("ALL u1 halo semua")
		w.SetAdmin(1, false)
		want(t, ani.broadcast("halo"), hub.ErrDenied)
		admin, err := w.try(hub.Account{ID: 3, Name: "u3", Admin: true}, confirmed)
		want(t, err, nil)
		want(t, admin.broadcast("halo"), nil)
		if n := w.store.commits(); n != 0 {
			t.Errorf("%d commits", n)
		}
	})
}

// A login that began before SetAdmin, with what the account was then, is an
// administrator's all the same.
func TestAdminDuringLogin(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		before := user(1)
		w.SetAdmin(1, true)
		ani, err := w.try(before, confirmed)
		want(t, err, nil)
		want(t, ani.broadcast("halo"), nil)
	})
}

func TestAttach(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ani, err := w.try(user(1), func(context.Context) error {
			if n := len(w.Online()); n != 0 {
				t.Errorf("%d are online before the login is confirmed", n)
			}
			return nil
		})
		want(t, err, nil)
		if got := ani.Account(); got != user(1) {
			t.Errorf("the session is of %v", got)
		}
		if got := w.Online(); !slices.Equal(got, []string{"u1"}) {
			t.Errorf("online: %q", got)
		}
		w.attachFiles(2)
		if got := w.Online(); !slices.Equal(got, []string{"u1"}) {
			t.Errorf("online: %q", got)
		}
		again := w.attach(1)
		ani.Detach(true)
		ani.Detach(true)
		if got := w.Online(); !slices.Equal(got, []string{"u1"}) {
			t.Errorf("online: %q", got)
		}
		again.Detach(false)
		if got := w.Online(); len(got) != 0 {
			t.Errorf("online: %q", got)
		}
	})
}

// A login that doesn't hold is told nothing, and leaves nothing behind.
func TestAttachRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Configure(hub.Settings{PrivateHistory: true, Sessions: 2})
		w.group("dapur", 1, 2)
		w.SetAdmin(1, true)
		ani, budi := w.attach(1), w.attach(2)
		refusal := errors.New("another password by now")
		during := func(context.Context) error {
			want(t, ani.sendGroup("dapur", "secret"), nil)
			want(t, ani.send("u2", "secret"), nil)
			want(t, ani.send("u3", "nobody yet"), hub.ErrOffline)
			return refusal
		}
		for _, id := range []int64{2, 3} {
			c, err := w.try(user(id), during)
			want(t, err, refusal)
			c.told()
			if c.Session != nil {
				t.Error("there is a session")
			}
		}
		budi.told("GRUP 1 dapur u1 secret", "MSG 1 u1 u2 secret", "GRUP 2 dapur u1 secret", "MSG 2 u1 u2 secret")
		w.attach(2) // it doesn't count as a session
		budi.checked()
		if got := w.Online(); !slices.Equal(got, []string{"u1", "u2"}) {
			t.Errorf("online: %q", got)
		}
		w.store.onPositions = func() error { return refusal }
		_, err := w.try(user(4), confirmed)
		want(t, err, refusal)
	})
}

func TestSessionLimit(t *testing.T) {
	w := open(t, newMemory(9), hub.Settings{Sessions: 5})
	for range 20 {
		var racers sync.WaitGroup
		var admitted atomic.Int32
		sessions := make(chan *client, 50)
		for range 50 {
			racers.Go(func() {
				c, err := w.try(user(1), confirmed)
				if err == nil {
					admitted.Add(1)
					sessions <- c
				} else if !errors.Is(err, hub.ErrSessions) {
					t.Error(err)
				}
			})
		}
		racers.Wait()
		close(sessions)
		if n := admitted.Load(); n != 5 {
			t.Errorf("%d sessions", n)
		}
		w.attach(2).Detach(true)
		for c := range sessions {
			racers.Go(func() { c.Detach(true) })
		}
		racers.Wait()
	}
	w.Configure(hub.Settings{})
	for range 100 {
		w.attach(1)
	}
}

func TestEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ani, ani2, files, budi := w.attach(1), w.attach(1), w.attachFiles(1), w.attach(2)
		w.End(1, ani.Session, hub.PasswordChanged)
		w.End(3, nil, hub.PasswordChanged)
		for _, c := range []*client{ani2, files} {
			if why := <-c.ended; why != hub.PasswordChanged {
				t.Errorf("ended by %v", why)
			}
		}
		if len(ani.ended) != 0 || len(budi.ended) != 0 {
			t.Error("somebody else was ended")
		}
		w.End(1, nil, hub.AccountDisabled)
		if why := <-ani.ended; why != hub.AccountDisabled {
			t.Errorf("ended by %v", why)
		}
		// One that is not confirmed yet is ended, too.
		c, err := w.try(user(4), func(context.Context) error {
			w.End(4, nil, hub.PasswordChanged)
			return nil
		})
		want(t, err, nil)
		if len(c.ended) != 1 {
			t.Error("a login overlooked the change of password")
		}
	})
}

// What the last session has received is known to one that comes while that is
// still being stored.
func TestAttachWhileSaving(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		ani, budi := w.attach(1), w.attach(2)
		want(t, ani.sendGroup("dapur", "one"), nil)
		saving, saved := make(chan bool), make(chan bool)
		w.store.onSave = func(map[int64]int64) {
			saving <- true
			<-saved
		}
		left := queue(func() error { budi.Detach(true); return nil })
		<-saving
		again := w.attach(2) // loads from the store what is not there yet
		again.checked()
		// While both of the first save, a third one comes.
		want(t, ani.sendGroup("dapur", "two"), nil)
		left2 := queue(func() error { again.Detach(true); return nil })
		<-saving
		saved <- true // the first one
		synctest.Wait()
		<-left
		w.attach(2).checked()
		saved <- true
		<-left2
		w.store.onSave = nil
	})
}

// What the last session has received is known to one that loads while that one
// goes.
func TestDetachWhileLoading(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		ani, budi := w.attach(1), w.attach(2)
		want(t, ani.sendGroup("dapur", "one"), nil)
		w.store.onPositions = func() error {
			w.store.onPositions = nil
			budi.Detach(true)
			return nil
		}
		w.attach(2).checked()
	})
}
