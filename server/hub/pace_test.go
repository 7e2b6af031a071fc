package hub_test

import (
	"testing"
	"time"

	"posko/server/hub"
)

// paces demands the next waits of a session's messages.
func (c *client) paces(t *testing.T, group string, want ...time.Duration) {
	t.Helper()
	for i, want := range want {
		if got := c.Pace(group); got != want {
			t.Errorf("message %d waits %v, want %v", i, got, want)
		}
	}
}

const ms = time.Millisecond

func TestPace(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		w.Configure(hub.Settings{AccountPace: hub.Pace{Burst: 3, Rate: 5}})
		a, other, b := w.attach(1), w.attach(1), w.attach(2)
		a.paces(t, "", 0, 0)
		other.paces(t, "", 0) // the account's, over all sessions
		a.paces(t, "", 200*ms)
		other.paces(t, "dapur", 400*ms)
		b.paces(t, "", 0, 0, 0)
		time.Sleep(600 * ms)
		a.paces(t, "", 0, 200*ms)
		time.Sleep(time.Hour)
		a.Detach(true)
		other.Detach(true)
		a = w.attach(1)
		a.paces(t, "", 0, 0, 0, 200*ms)
		a.Detach(true)
		a = w.attach(1)
		a.paces(t, "", 400*ms) // logging in again gains nothing
		w.Configure(hub.Settings{AccountPace: hub.Pace{Burst: 3, Rate: 5}})
		a.paces(t, "", 600*ms) // nor does a reload
		w.Configure(hub.Settings{AccountPace: hub.Pace{Burst: 1, Rate: 1}})
		a.paces(t, "", 0, time.Second)
		w.Configure(hub.Settings{AccountPace: hub.Pace{Burst: 1}})
		a.paces(t, "", 0, 0, 0)
	})
}

func TestGroupPace(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		w.group("lain", 1)
		w.Configure(hub.Settings{GroupPace: hub.Pace{Burst: 2, Rate: 10}})
		a, b, stranger := w.attach(1), w.attach(2), w.attach(3)
		stranger.paces(t, "dapur", 0, 0, 0, 0)
		a.paces(t, "none", 0, 0, 0)
		a.paces(t, "dapur", 0)
		b.paces(t, "DAPUR", 0, 100*ms)
		a.paces(t, "dapur", 200*ms)
		a.paces(t, "lain", 0, 0)
		a.paces(t, "", 0, 0, 0)

		// Who is muted is refused, and holds nobody up.
		time.Sleep(time.Hour)
		want(t, a.moderate(hub.Mute, 2), nil)
		b.paces(t, "dapur", 0, 0, 0, 0)
		a.paces(t, "dapur", 0, 0, 100*ms)
	})
}
