package hub_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posko/server/hub"
)

func (c *client) once(token, group, text string) error {
	done := make(chan error, 1)
	c.SendGroup(group, text, token, func(err error) { done <- err })
	return <-done
}

func (c *client) sendOnce(token, to, text string) error {
	done := make(chan error, 1)
	c.Send(to, text, token, func(err error) { done <- err })
	return <-done
}

func TestOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		w.group("kebun", 1, 2)
		ani, other, budi := w.attach(1), w.attach(1), w.attach(2)
		want(t, ani.once("a", "dapur", "one"), nil)
		want(t, ani.once("a", "dapur", "one"), nil)
		want(t, other.once("a", "kebun", "elsewhere, from another session"), nil)
		want(t, other.sendOnce("a", "u2", "privately"), nil)
		want(t, other.sendOnce("a", "u9", "to one who is not there"), nil)
		want(t, ani.once("b", "dapur", "two"), nil)
		want(t, ani.sendOnce("c", "u2", "three"), nil)
		want(t, ani.sendOnce("c", "u2", "three"), nil)
		want(t, budi.once("a", "dapur", "another account's token"), nil)
		budi.told("GRUP 1 dapur u1 one", "GRUP 2 dapur u1 two", "MSG 1 u1 u2 three")

		// What was refused has not used its token up.
		want(t, ani.once("d", "sawah", "refused"), hub.ErrNoGroup)
		want(t, ani.sendOnce("d", "u9", "refused"), hub.ErrOffline)
		want(t, ani.once("d", "dapur", "four"), nil)
		budi.told("GRUP 4 dapur u1 four")

		w.Close()
		next := open(t, w.store, defaults)
		ani, budi = next.attach(1), next.attach(2)
		for _, token := range []string{"a", "b", "c", "d"} {
			want(t, ani.once(token, "dapur", "again"), nil)
		}
		budi.told()
		time.Sleep(24 * time.Hour) // of the bubble
		want(t, ani.once("a", "dapur", "a day later"), nil)
		budi.told("GRUP 5 dapur u1 a day later")
		want(t, ani.once("a", "dapur", "a day later"), nil)
		budi.told()
	})
}

// Two of one round are one, and what a failed commit held may be said again.
func TestOnceRound(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		ani, budi := w.attach(1), w.attach(2)
		g, first := w.busy()
		one := queue(func() error { return ani.once("a", "dapur", "one") })
		two := queue(func() error { return ani.once("a", "dapur", "one") })
		<-g.entered
		g.result <- nil
		want(t, <-first, nil)
		<-g.entered
		g.result <- hub.ErrFull
		want(t, <-one, hub.ErrFull)
		want(t, <-two, hub.ErrFull)
		one = queue(func() error { return ani.once("a", "dapur", "one") })
		two = queue(func() error { return ani.once("a", "dapur", "one") })
		g.open()
		want(t, <-one, nil)
		want(t, <-two, nil)
		budi.told("GRUP 1 dapur u1 one")
	})
}

// What is not kept has no token on the disk, but one in memory.
func TestOnceUnkept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, newMemory(9), hub.Settings{})
		ani, budi := w.attach(1), w.attach(2)
		want(t, ani.sendOnce("a", "u2", "one"), nil)
		want(t, ani.sendOnce("a", "u2", "one"), nil)
		budi.told("MSG 0 u1 u2 one")
		if n := w.store.commits(); n != 0 {
			t.Errorf("%d rounds were committed", n)
		}
	})
}

// If nobody was told after all, a repetition in the same round is no success
// either, and the token may be used again.
func TestOnceUnsaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, newMemory(9), hub.Settings{})
		w.group("dapur", 1)
		ani, budi := w.attach(1), w.attach(2)
		g := w.hold()
		queue(func() error { return ani.sendGroup("dapur", "first") })
		<-g.entered
		queue(func() error { return ani.sendGroup("dapur", "second") }) // so that the round is committed
		one := queue(func() error { return ani.sendOnce("a", "u2", "one") })
		two := queue(func() error { return ani.sendOnce("a", "u2", "one") })
		g.result <- nil
		<-g.entered
		budi.Detach(true)
		g.open()
		want(t, <-one, hub.ErrOffline)
		want(t, <-two, hub.ErrOffline)
		budi = w.attach(2)
		want(t, ani.sendOnce("a", "u2", "one"), nil)
		budi.told("MSG 0 u1 u2 one")
	})
}

// The oldest of too many tokens are forgotten, in memory as on the disk.
func TestOnceMany(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1)
		ani := w.attach(1)
		for i := range 1010 {
			ani.SendGroup("dapur", "x", fmt.Sprint("t", i), func(error) {})
		}
		synctest.Wait()
		if n := len(w.store.tokens); n != 1000 {
			t.Errorf("%d tokens are stored", n)
		}
		for range 2 {
			for token, said := range map[string]bool{"t1009": false, "t20": false} {
				before := len(w.store.messages)
				want(t, ani.once(token, "dapur", "again"), nil)
				if got := len(w.store.messages) > before; got != said {
					t.Errorf("%s: said again: %t", token, got)
				}
			}
			w.Close()
			w = open(t, w.store, defaults)
			ani = w.attach(1)
		}
		before := len(w.store.messages)
		want(t, ani.once("t0", "dapur", "forgotten"), nil)
		if len(w.store.messages) == before {
			t.Error("a token that is not among the last is remembered")
		}
	})
}

func TestValidToken(t *testing.T) {
	for _, good := range []string{"a", "0", "a.b_c-D", strings.Repeat("x", 64)} {
		if !hub.ValidToken(good) {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{"", "a b", "é", "a\n", "a\x00", "/", strings.Repeat("x", 65)} {
		if hub.ValidToken(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
}
