package hub_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"posko/server/hub"
)

// dapur is a group that u1 owns, u2 and u3 operate, and u4 and u5 belong to.
func (w *world) dapur() (sessions map[int64]*client) {
	w.t.Helper()
	w.group("dapur", 1, 2, 3, 4, 5)
	sessions = map[int64]*client{}
	for id := range int64(6) {
		sessions[id+1] = w.attach(id + 1)
	}
	for _, id := range []int64{2, 3} {
		want(w.t, sessions[1].moderate(hub.Promote, id), nil)
	}
	synctest.Wait()
	for _, c := range sessions {
		c.lines = nil
	}
	return sessions
}

// moderate does something in dapur to the account with that number.
func (c *client) moderate(action hub.Action, id int64) error {
	return c.Moderate(c.t.Context(), action, "dapur", fmt.Sprint("u", id))
}

// roles are those of the members of dapur, in the order of their names.
func (w *world) roles() string {
	w.t.Helper()
	members, err := w.Members("dapur")
	want(w.t, err, nil)
	var all []string
	for _, m := range members {
		all = append(all, fmt.Sprint(m.Account.Name, m.Role))
	}
	return strings.Join(all, " ")
}

// Whoever acts must outrank whom that is done to.
func TestRanks(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.dapur()
		byOperators := []hub.Action{hub.Kick, hub.Ban, hub.Unban, hub.Mute, hub.Unmute}
		byOwner := []hub.Action{hub.Promote, hub.Demote}
		for _, action := range append(byOwner, byOperators...) {
			want(t, s[6].moderate(action, 4), hub.ErrNotMember)
			want(t, s[4].moderate(action, 5), hub.ErrDenied)
			want(t, s[4].moderate(action, 4), hub.ErrDenied)
			want(t, s[2].moderate(action, 1), hub.ErrDenied)
			want(t, s[2].moderate(action, 2), hub.ErrDenied)
			want(t, s[2].moderate(action, 3), hub.ErrDenied)
			want(t, s[1].moderate(action, 1), hub.ErrDenied)
			want(t, s[1].moderate(action, 99), hub.ErrNoAccount)
			want(t, s[1].Moderate(t.Context(), action, "kebun", "u4"), hub.ErrNoGroup)
		}
		for _, action := range byOwner {
			want(t, s[2].moderate(action, 4), hub.ErrDenied)
			want(t, s[1].moderate(action, 6), hub.ErrNoTarget)
		}
		for _, action := range []hub.Action{hub.Kick, hub.Mute} {
			want(t, s[2].moderate(action, 6), hub.ErrNoTarget)
		}
		want(t, s[4].SetGroupPassword("dapur", "hash"), hub.ErrDenied)
		want(t, s[4].SetTopic("dapur", "sup"), hub.ErrDenied)
		want(t, s[2].DropGroup("dapur"), hub.ErrDenied)
		want(t, s[6].SetGroupPassword("dapur", "hash"), hub.ErrNotMember)
		want(t, s[6].SetTopic("dapur", "sup"), hub.ErrNotMember)
		want(t, s[6].DropGroup("dapur"), hub.ErrNotMember)
		want(t, s[6].May(hub.SetPassword, "dapur"), hub.ErrNotMember)
		want(t, s[4].May(hub.SetPassword, "dapur"), hub.ErrDenied)
		want(t, s[2].May(hub.SetPassword, "dapur"), nil)
		want(t, s[2].May(hub.SetPassword, "kebun"), hub.ErrNoGroup)
		if got := w.roles(); got != "u13 u22 u32 u41 u51" {
			t.Errorf("the roles are %s", got)
		}
		for _, c := range s {
			c.told()
		}
	})
}

func TestRoles(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.dapur()
		again := w.attach(4)
		want(t, s[1].moderate(hub.Promote, 4), nil)
		want(t, s[1].moderate(hub.Promote, 4), nil) // is so already
		want(t, s[1].moderate(hub.Demote, 2), nil)
		want(t, s[4].moderate(hub.Kick, 2), nil)
		for _, c := range []*client{again, s[5]} {
			c.told("ACT 1 dapur u1 u4", "ACT 2 dapur u1 u2", "ACT 3 dapur u4 u2")
		}
		s[1].told("ACT 3 dapur u4 u2") // what it did itself it was answered
		s[2].told("ACT 1 dapur u1 u4", "ACT 2 dapur u1 u2", "ACT 3 dapur u4 u2")
		if got := w.roles(); got != "u13 u32 u42 u51" {
			t.Errorf("the roles are %s", got)
		}
		// The owner is followed by the operator who has been there longest.
		want(t, w.Leave("dapur", user(1), nil), nil)
		want(t, s[1].moderate(hub.Kick, 5), hub.ErrNotMember)
		want(t, s[3].moderate(hub.Demote, 4), nil)
		want(t, s[4].moderate(hub.Kick, 5), hub.ErrDenied)
	})
}

func TestKick(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.dapur()
		want(t, s[1].sendGroup("dapur", "one"), nil)
		want(t, s[2].moderate(hub.Kick, 4), nil)
		want(t, s[4].sendGroup("dapur", "two"), hub.ErrNotMember)
		want(t, s[1].sendGroup("dapur", "three"), nil)
		s[4].told("GRUP 1 dapur u1 one", "ACT 3 dapur u2 u4")
		s[4].checked()
		door, err := s[4].Joinable("dapur")
		want(t, err, nil)
		want(t, s[4].join(door), nil)
	})
}

// A ban is that of an account, in the group or not, until it is taken back.
func TestBan(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.dapur()
		door, err := s[6].Joinable("dapur")
		want(t, err, nil)
		for range 2 {
			want(t, s[2].moderate(hub.Ban, 4), nil)
			want(t, s[2].moderate(hub.Ban, 6), nil)
		}
		want(t, s[1].moderate(hub.Ban, 3), nil)
		s[4].told("ACT 4 dapur u2 u4")
		s[6].told() // was no member
		s[5].told("ACT 4 dapur u2 u4", "ACT 4 dapur u2 u6", "ACT 4 dapur u1 u3")
		want(t, s[6].join(door), hub.ErrDenied) // its place counts
		w.Close()

		w = open(t, w.store, defaults)
		for _, id := range []int64{3, 4, 6} {
			c := w.attach(id)
			_, err := c.Joinable("dapur")
			want(t, err, hub.ErrDenied)
			want(t, w.Join(1, user(id)), hub.ErrDenied)
		}
		ani, budi := w.attach(2), w.attach(4)
		want(t, ani.moderate(hub.Unban, 4), nil)
		want(t, ani.moderate(hub.Unban, 4), nil)
		want(t, ani.moderate(hub.Unban, 5), nil)
		door, err = budi.Joinable("dapur")
		want(t, err, nil)
		want(t, budi.join(door), nil)
		ani.told("JOINED dapur u4")
		if got, err := w.Sanctions("DAPUR"); len(got) != 2 || got[0].Account != user(3) || got[1].Sanction != hub.Banned || err != nil {
			t.Errorf("the sanctions are %v, %v", got, err)
		}
		_, err = w.Sanctions("kebun")
		want(t, err, hub.ErrNoGroup)
		want(t, w.DeleteAccount(user(3)), nil)
		if got, _ := w.Sanctions("dapur"); len(got) != 1 {
			t.Errorf("the sanctions are %v", got)
		}
	})
}

// Who is muted stays so: over a restart, over leaving and coming back.
func TestMute(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.dapur()
		want(t, s[2].moderate(hub.Mute, 4), nil)
		want(t, s[4].sendGroup("dapur", "one"), hub.ErrDenied)
		want(t, s[4].send("u5", "one"), nil)
		want(t, w.Leave("dapur", user(4), nil), nil)
		w.Close()
		w = open(t, w.store, defaults)
		ani, budi := w.attach(2), w.attach(4)
		want(t, w.Join(1, user(4)), nil)
		want(t, budi.sendGroup("dapur", "two"), hub.ErrDenied)
		want(t, ani.moderate(hub.Unmute, 4), nil)
		want(t, budi.sendGroup("dapur", "three"), nil)

		// Nobody could let an owner talk again.
		want(t, ani.moderate(hub.Mute, 5), nil)
		citra := w.attach(5)
		for _, id := range []int64{4, 3, 2, 1} {
			want(t, w.Leave("dapur", user(id), nil), nil)
		}
		want(t, citra.sendGroup("dapur", "four"), nil)
	})
}

// A JOIN whose password was checked before it was changed is checked again.
func TestGroupPassword(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.dapur()
		before, err := s[6].Joinable("dapur")
		want(t, err, nil)
		g, _ := w.busy()
		changed := queue(func() error { return s[2].SetGroupPassword("dapur", "new") })
		joined := queue(func() error { return s[6].join(before) })
		g.open()
		want(t, <-changed, nil)
		want(t, <-joined, hub.ErrChanged)
		want(t, s[6].join(before), hub.ErrChanged)
		now, err := s[6].Joinable("dapur")
		want(t, err, nil)
		want(t, s[6].join(now), nil)
		want(t, w.SetGroupPassword("dapur", "newer"), nil)
		want(t, w.SetGroupPassword("kebun", "newer"), hub.ErrNoGroup)
		s[5].told("ACT 8 dapur u2", "JOINED dapur u6", "ACT 8 dapur")
	})
}

func TestTopic(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.dapur()
		want(t, s[2].SetTopic("dapur", strings.Repeat("é", hub.MaxTopic+1)), hub.ErrTopic)
		want(t, s[2].SetTopic("kebun", "sup"), hub.ErrNoGroup)
		want(t, s[2].SetTopic("DAPUR", "sup malam ini"), nil)
		if got, err := s[4].Topic("dapur"); got != "sup malam ini" || err != nil {
			t.Errorf("the topic is %q, %v", got, err)
		}
		_, err := s[6].Topic("dapur")
		want(t, err, hub.ErrNotMember)
		door, err := s[6].Joinable("dapur")
		want(t, err, nil)
		want(t, s[6].join(door), nil)
		s[6].told("TOPIC dapur sup malam ini")
		want(t, w.Join(1, user(7)), nil) // with nobody to be told
		s[4].told("ACT 9 dapur u2 sup malam ini", "JOINED dapur u6", "JOINED dapur u7")
		w.Close()
		w = open(t, w.store, defaults)
		ani := w.attach(1)
		if got, err := ani.Topic("dapur"); got != "sup malam ini" || err != nil {
			t.Errorf("after a restart the topic is %q, %v", got, err)
		}
		want(t, ani.SetTopic("dapur", ""), nil)
		door, err = w.attach(8).Joinable("dapur")
		want(t, err, nil)
		late := w.attach(8)
		want(t, late.join(door), nil)
		late.told()
	})
}

func TestDrop(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.dapur()
		want(t, s[1].DropGroup("dapur"), nil)
		want(t, s[1].DropGroup("dapur"), hub.ErrNoGroup)
		s[1].told()
		s[4].told("ACT 10 dapur u1")
	})
}

// Two who act against each other in one round: the first one's place decides.
func TestModerateRace(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.dapur()
		g, _ := w.busy()
		var got []<-chan error
		add := func(change func() error) { got = append(got, queue(change)) }
		add(func() error { return s[2].moderate(hub.Ban, 4) })
		add(func() error { return s[3].moderate(hub.Unban, 4) })
		add(func() error { return s[2].moderate(hub.Kick, 4) })     // banned, he is no member
		add(func() error { return w.Join(1, user(4)) })             // and may again
		add(func() error { return s[2].moderate(hub.Mute, 4) })     //
		add(func() error { return s[4].sendGroup("dapur", "one") }) // muted before
		add(func() error { return s[3].moderate(hub.Unmute, 4) })   //
		add(func() error { return s[4].sendGroup("dapur", "two") })
		add(func() error { return s[3].moderate(hub.Kick, 4) })
		add(func() error { return s[4].sendGroup("dapur", "three") }) // out before
		// The owner leaves: what he is asked to do later is not his any more.
		add(func() error { return s[1].moderate(hub.Demote, 3) })
		add(func() error { return s[3].moderate(hub.Mute, 5) })
		add(func() error { return w.Leave("dapur", user(1), nil) })
		add(func() error { return s[1].moderate(hub.Promote, 5) })
		add(func() error { return s[2].moderate(hub.Promote, 5) })
		add(func() error { return s[5].moderate(hub.Ban, 3) })
		add(func() error { return s[2].DropGroup("dapur") })
		add(func() error { return s[5].moderate(hub.Unban, 3) })
		g.open()
		for i, err := range []error{
			nil, nil, hub.ErrNoTarget, nil, nil, hub.ErrDenied, nil, nil, nil, hub.ErrNotMember,
			nil, hub.ErrDenied, nil, hub.ErrNotMember, nil, nil, nil, hub.ErrNoGroup,
		} {
			if got := <-got[i]; !errors.Is(got, err) {
				t.Errorf("result %d is %v, want %v", i, got, err)
			}
		}
		s[5].told("ACT 4 dapur u2 u4", "ACT 5 dapur u3 u4", "JOINED dapur u4", "ACT 6 dapur u2 u4", "ACT 7 dapur u3 u4",
			"GRUP 1 dapur u4 two", "ACT 3 dapur u3 u4", "ACT 2 dapur u1 u3", "LEFT dapur u1", "ACT 1 dapur u2 u5", "ACT 10 dapur u2")
		if n := len(w.store.acts); n != 2+9 {
			t.Errorf("%d acts", n)
		}
	})
}
