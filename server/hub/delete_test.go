package hub_test

import (
	"errors"
	"slices"
	"testing"

	"posko/server/hub"
)

func TestDeleteAccount(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		id := w.group("dapur", 1, 2, 3)
		w.group("kebun", 1)
		ani, budi, citra := w.attach(1), w.attach(2), w.attach(3)
		files := w.attachFiles(1)
		want(t, ani.sendGroup("dapur", "one"), nil)
		want(t, ani.send("u2", "two"), nil)
		w.attach(4) // not concerned
		want(t, w.DeleteAccount(user(1)), nil)
		for _, c := range []*client{ani, files} {
			if why := <-c.ended; why != hub.AccountDeleted {
				t.Errorf("ended by %v", why)
			}
		}
		budi.told("GRUP 1 dapur u1 one", "MSG 1 u1 u2 two", "LEFT dapur u1")
		citra.told("GRUP 1 dapur u1 one", "LEFT dapur u1")
		ani.told()
		if got := w.Online(); !slices.Equal(got, []string{"u2", "u3", "u4"}) {
			t.Errorf("online: %q", got)
		}
		members, _ := w.Members("dapur")
		if len(members) != 2 || members[0].Account.ID != 2 || members[0].Role != hub.Owner {
			t.Errorf("the members are %v", members)
		}
		// Its connections are still there for a moment: they can do nothing.
		for what, do := range map[string]func() error{
			"join":        func() error { return ani.join(hub.Entrance{Group: id}) },
			"create":      func() error { return w.CreateGroup("sawah", "", ani.who) },
			"send":        func() error { return ani.send("u2", "ghost") },
			"delete":      func() error { return w.DeleteAccount(ani.who) },
			"group":       func() error { return ani.sendGroup("dapur", "ghost") },
			"leave":       func() error { return w.Leave("dapur", ani.who, nil) },
			"be told":     func() error { return budi.send("u1", "ghost") },
			"broadcast":   func() error { w.SetAdmin(1, true); return ani.broadcast("ghost") },
			"log in late": func() error { _, err := w.try(ani.who, confirmed); return err },
		} {
			if err := do(); err == nil {
				t.Errorf("a deleted account can %s", what)
			}
		}
		budi.told()
		// The name is free, and inherits nothing.
		next := hub.Account{ID: 10, Name: "U1"}
		w.store.accounts[10] = next
		heir, err := w.try(next, confirmed)
		want(t, err, nil)
		ani.Detach(true)
		files.Detach(true)
		want(t, budi.send("u1", "new"), nil)
		heir.told("MSG 1 u2 U1 new")
		if len(heir.Groups()) != 0 {
			t.Error("it inherits groups")
		}
		heir.checked()
	})
}

// Within one round, too, whoever is deleted can do nothing more.
func TestDeleteAccountRound(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		id := w.group("dapur", 1, 2)
		ani, budi, citra := w.attach(1), w.attach(2), w.attach(3)
		w.SetAdmin(1, true)
		g, _ := w.busy()
		var got []<-chan error
		add := func(change func() error) { got = append(got, queue(change)) }
		add(func() error { return w.CreateGroup("kebun", "", ani.who) })
		add(func() error { return ani.sendGroup("kebun", "one") })
		add(func() error { return w.DropGroup("kebun") })
		add(func() error { return w.CreateGroup("kebun", "", ani.who) })
		add(func() error { return w.DeleteAccount(ani.who) })
		add(func() error { return w.DeleteAccount(ani.who) })
		add(func() error { return ani.sendGroup("kebun", "two") })
		add(func() error { return ani.send("u2", "two") })
		add(func() error { return ani.broadcast("two") })
		add(func() error { return w.Join(id, ani.who) })
		add(func() error { return w.CreateGroup("sawah", "", ani.who) })
		add(func() error { return budi.send("u1", "two") })
		add(func() error { return budi.sendGroup("dapur", "three") })
		add(func() error { return w.CreateGroup("u1", "", citra.who) })
		g.open()
		for i, err := range []error{
			nil, nil, nil, nil, nil, hub.ErrNoAccount,
			hub.ErrNotMember, hub.ErrNoAccount, hub.ErrDenied, hub.ErrNoAccount, hub.ErrNoAccount, hub.ErrOffline, nil, nil,
		} {
			if got := <-got[i]; !errors.Is(got, err) {
				t.Errorf("result %d is %v, want %v", i, got, err)
			}
		}
		budi.told("LEFT dapur u1")
		ani.told("ACT 10 kebun")
		if g, err := w.Group("kebun"); err != nil || g.Members != 0 {
			t.Errorf("the group is %+v, %v", g, err)
		}
	})
}
