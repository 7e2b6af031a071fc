package hub_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posko/server/hub"
)

func names(groups []hub.GroupInfo) (all []string) {
	for _, g := range groups {
		all = append(all, g.Name)
	}
	return all
}

func TestGroups(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("kebun", 1, 2)
		id := w.group("Dapur", 1, 2, 3)
		w.group("air", 3)
		ani, budi := w.attach(1), w.attach(2)
		want(t, ani.sendGroup("dapur", "one"), nil)
		budi.Detach(false)
		want(t, ani.sendGroup("dapur", "two"), nil)
		budi = w.attach(2)
		if got := names(w.Groups()); !slices.Equal(got, []string{"air", "Dapur", "kebun"}) {
			t.Errorf("all: %q", got)
		}
		mine := budi.Groups()
		if got := names(mine); !slices.Equal(got, []string{"Dapur", "kebun"}) {
			t.Errorf("his: %q", got)
		}
		if g := mine[0]; g.ID != id || g.Members != 3 || g.Last != 2 || g.Unread != 2 || g.Created.IsZero() {
			t.Errorf("his group is %+v", g)
		}
		g, err := w.Group("DAPUR")
		want(t, err, nil)
		if mine[0].Unread = 0; g != mine[0] {
			t.Errorf("the group is %+v", g)
		}
		_, err = w.Group("u1")
		want(t, err, hub.ErrNoGroup)
	})
}

func TestMembers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 2, 1, 3, 4)
		ani := w.attach(1)
		w.attachFiles(3)
		w.attach(4).Detach(true)
		mine, err := ani.Members("Dapur")
		want(t, err, nil)
		all, err := w.Members("Dapur")
		want(t, err, nil)
		if !slices.Equal(mine, all) {
			t.Errorf("%v, %v", mine, all)
		}
		for i, m := range all {
			role := hub.Member
			if i == 1 {
				role = hub.Owner
			}
			if m.Account != user(int64(i+1)) || m.Role != role || m.Online != (i == 0) || m.Joined.IsZero() {
				t.Errorf("member %d is %+v", i, m)
			}
		}
		_, err = w.Members("kebun")
		want(t, err, hub.ErrNoGroup)
		_, err = ani.Members("kebun")
		want(t, err, hub.ErrNoGroup)
		_, err = w.attach(5).Members("dapur")
		want(t, err, hub.ErrNotMember)
	})
}

func TestSearch(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		w.group("kebun", 1)
		ani, budi := w.attach(1), w.attach(2)
		for _, text := range []string{"kopi satu", "kopi dua", "u2 dapur kopi tiga"} {
			want(t, ani.sendGroup("dapur", text), nil)
		}
		want(t, ani.sendGroup("kebun", "kopi empat"), nil)
		want(t, ani.send("u2", "kopi lima"), nil)
		for _, c := range []struct {
			who   *client
			words string
			texts []string
			err   error
		}{
			{ani, "kopi", []string{"kopi dua", "u2 dapur kopi tiga", "kopi empat", "kopi lima"}, nil},
			{budi, "kopi", []string{"kopi satu", "kopi dua", "u2 dapur kopi tiga", "kopi lima"}, nil},
			{budi, "DAPUR kopi", []string{"kopi satu", "kopi dua", "u2 dapur kopi tiga"}, nil},
			{budi, "u1 kopi", []string{"kopi lima"}, nil},
			{budi, "u3 kopi", nil, nil},
			{budi, "dua kopi", []string{"kopi dua"}, nil},
			{budi, "kebun kopi", nil, hub.ErrNotMember},
			{budi, "kebun", nil, nil},
		} {
			messages, err := c.who.Search(t.Context(), strings.Fields(c.words), 4)
			want(t, err, c.err)
			var texts []string
			for _, m := range messages {
				texts = append(texts, m.Text)
			}
			if !slices.Equal(texts, c.texts) {
				t.Errorf("%s finds %q for %q, want %q", c.who.who.Name, texts, c.words, c.texts)
			}
		}
	})
}

// One search runs at a time; who waits may go.
func TestSearchOneByOne(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1)
		ani := w.attach(1)
		want(t, ani.sendGroup("dapur", "kopi"), nil)
		var running atomic.Int32
		w.store.onSearch = func() {
			if n := running.Add(1); n > 1 {
				t.Errorf("%d searches run at once", n)
			}
			time.Sleep(time.Minute) // of the bubble
			running.Add(-1)
		}
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { ani.search("kopi") })
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := ani.Search(ctx, []string{"kopi"}, 9); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("a search waits for others in vain:", err)
		}
		all.Wait()
	})
}

// Messages are indexed when little happens, or when many are not.
func TestIndex(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1)
		ani := w.attach(1)
		indexed := func(n int) {
			t.Helper()
			time.Sleep(10 * time.Second) // of the bubble
			synctest.Wait()
			if w.store.indexed != n {
				t.Errorf("%d messages are indexed, want %d", w.store.indexed, n)
			}
		}
		indexed(0) // whatever an earlier run has left
		for range 101 {
			want(t, ani.sendGroup("dapur", "busy"), nil)
		}
		indexed(0)
		for range 100 {
			want(t, ani.sendGroup("dapur", "quiet"), nil)
		}
		indexed(201)
		want(t, ani.sendGroup("dapur", "busy again"), nil)
		for i := range 200_000 {
			ani.SendGroup("kebun", "refused", "", func(error) {})
			if i%50 == 0 { // more wait for each other
				synctest.Wait()
			}
		}
		indexed(202)
		for range 101 {
			want(t, ani.sendGroup("dapur", "busy still"), nil)
		}
		indexed(202)
	})
}

func TestPast(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		w.group("kebun", 3)
		ani, budi, citra := w.attach(1), w.attach(2), w.attach(3)
		for _, text := range []string{"g1", "g2", "g3"} {
			want(t, ani.sendGroup("dapur", text), nil)
		}
		want(t, ani.send("u2", "p1"), nil)
		want(t, citra.send("u1", "p2"), nil)
		want(t, citra.sendGroup("kebun", "g4"), nil)
		for _, c := range []struct {
			who   *client
			name  string
			page  hub.Page
			texts []string
			err   error
		}{
			{budi, "Dapur", hub.Page{Limit: 2}, []string{"g2", "g3"}, nil},
			{budi, "dapur", hub.Page{Limit: 1, Side: hub.Before, Number: 3}, []string{"g2"}, nil},
			{budi, "dapur", hub.Page{Limit: 1, Side: hub.After, Number: 1}, []string{"g2"}, nil},
			{budi, "U1", hub.Page{Limit: 9}, []string{"p1"}, nil},
			{budi, "u3", hub.Page{Limit: 9}, nil, nil},
			{budi, "u2", hub.Page{Limit: 9}, nil, nil},
			{ani, "", hub.Page{Limit: 9}, []string{"g1", "g2", "g3", "p1", "p2"}, nil},
			{citra, "", hub.Page{Limit: 9}, []string{"p2", "g4"}, nil},
			{citra, "u1", hub.Page{Limit: 9}, []string{"p2"}, nil},
			{citra, "dapur", hub.Page{Limit: 9}, nil, hub.ErrNotMember},
			{ani, "sawah", hub.Page{Limit: 9}, nil, hub.ErrNoGroup},
			{budi, "dapur", hub.Page{Limit: 9, Side: hub.Before, Number: 0}, nil, nil},
			{budi, "dapur", hub.Page{Limit: 9, Side: hub.Before, Number: math.MaxInt64}, []string{"g1", "g2", "g3"}, nil},
			{budi, "dapur", hub.Page{Limit: 9, Side: hub.After, Number: math.MaxInt64}, nil, nil},
			{budi, "dapur", hub.Page{Limit: 2, Side: hub.After, Number: 0}, []string{"g1", "g2"}, nil},
			{budi, "dapur", hub.Page{}, nil, nil},
			{ani, "", hub.Page{Limit: 2}, []string{"p1", "p2"}, nil},
			{ani, "", hub.Page{}, nil, nil},
		} {
			texts, err := c.who.pastOf(c.name, c.page)
			want(t, err, c.err)
			if !slices.Equal(texts, c.texts) {
				t.Errorf("%s's history of %q is %q, want %q", c.who.who.Name, c.name, texts, c.texts)
			}
		}
	})
}

// A page is read while it is taken, some messages at a time: what a slow client
// has asked for takes no more memory than that.
func TestPastSteps(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1)
		ani := w.attach(1)
		for range 120 {
			want(t, ani.sendGroup("dapur", "halo"), nil)
		}
		steps := 0
		w.store.onMessages = func() error { steps++; return nil }
		for _, name := range []string{"dapur", ""} {
			n, messages, err := ani.Past(t.Context(), name, hub.Page{Limit: 1000})
			want(t, err, nil)
			taken := 0
			for range messages {
				if taken++; steps != (taken+49)/50 {
					t.Fatalf("for %d messages the store was asked %d times", taken, steps)
				}
			}
			if n != 120 || taken != n {
				t.Errorf("%d messages were promised, %d taken", n, taken)
			}
			steps = 0
		}
	})
}
