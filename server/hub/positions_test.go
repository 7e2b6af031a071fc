package hub_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posko/server/hub"
)

func TestCheck(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		w.group("kebun", 1, 2)
		w.group("sawah", 1)
		ani, budi := w.attach(1), w.attach(2)
		want(t, ani.send("u2", "before"), nil)
		budi.Detach(true)
		want(t, ani.sendGroup("dapur", "one"), nil)
		want(t, ani.sendGroup("kebun", "two"), nil)
		want(t, ani.sendGroup("sawah", "not for him"), nil)
		want(t, ani.sendGroup("dapur", "three"), nil)
		budi = w.attach(2)
		budi.checked("one", "two", "three")
		budi.checked()
		want(t, ani.sendGroup("dapur", "live"), nil)
		budi.told("GRUP 3 dapur u1 live")
		budi.checked()
		ani.checked() // of one's own messages nothing is unread
	})
}

// More than one page of the store is read.
func TestCheckMany(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		w.group("kebun", 1, 2)
		ani := w.attach(1)
		var texts []string
		for i := range 501 {
			texts = append(texts, fmt.Sprint(i))
			want(t, ani.sendGroup([]string{"dapur", "kebun"}[i%2], texts[i]), nil)
		}
		budi := w.attach(2)
		for _, g := range budi.Groups() {
			if g.Unread != 250 && g.Unread != 251 {
				t.Errorf("unread: %+v", g)
			}
		}
		budi.checked(texts...)
		if g := budi.Groups()[0]; g.Unread != 0 {
			t.Errorf("unread afterwards: %+v", g)
		}
	})
}

// What is said while something older is unread is shown again by CHECK.
func TestCheckOlder(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		ani := w.attach(1)
		want(t, ani.sendGroup("dapur", "one"), nil)
		budi := w.attach(2)
		want(t, ani.sendGroup("dapur", "two"), nil)
		budi.told("GRUP 2 dapur u1 two")
		budi.checked("one", "two")
	})
}

func TestCheckBroken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		ani := w.attach(1)
		want(t, ani.sendGroup("dapur", "one"), nil)
		budi := w.attach(2)
		failure := errors.New("the disk")
		w.store.onMessages = func() error { return failure }
		n, messages := budi.Check(t.Context())
		for _, err := range messages {
			want(t, err, failure)
		}
		if n != 1 {
			t.Errorf("%d were promised", n)
		}
		w.store.onMessages = nil
		budi.Detach(false)
		budi = w.attach(2)
		for range budi.messages() {
			break // the connection
		}
		budi.Detach(false)
		budi = w.attach(2)
		budi.checked("one")
		budi.Detach(false)
		w.store.numbered[1][0].ID = 0 // an administrator at work
		for _, err := range w.attach(2).messages() {
			if err == nil {
				t.Error("a message that is not there was shown")
			}
		}
	})
}

// messages are the texts of CHECK with their errors.
func (c *client) messages() func(yield func(string, error) bool) {
	_, messages := c.Check(c.t.Context())
	return func(yield func(string, error) bool) {
		for m, err := range messages {
			if !yield(m.Text, err) {
				return
			}
		}
	}
}

// A step is what happens to the account u2, which has the sessions a and b, in
// the group dapur, where everything that u1 says is a number.
type step struct {
	do   string
	want []string // of check and, in the end, of a fresh session's check
}

// What a broken connection may not have received is shown again; what a client
// surely has is not.
func TestPositions(t *testing.T) {
	for name, steps := range map[string][]step{
		"break":            {{do: "say"}, {do: "a breaks", want: []string{"1"}}},
		"clean end":        {{do: "say"}, {do: "a leaves"}},
		"clean and unsent": {{do: "a sticks"}, {do: "say"}, {do: "a leaves"}},
		"heard":            {{do: "say"}, {do: "a hears"}, {do: "say"}, {do: "a breaks", want: []string{"2"}}},
		"heard too early":  {{do: "a hears"}, {do: "a sticks"}, {do: "say"}, {do: "a hears"}, {do: "a breaks", want: []string{"1"}}},
		"own message while another one waits": {
			{do: "a sticks"}, {do: "say"}, {do: "a says"}, {do: "a hears"},
			{do: "a breaks", want: []string{"1", "2"}},
		},
		"nothing can be queued":            {{do: "a is lost"}, {do: "say"}, {do: "a hears"}, {do: "a leaves", want: []string{"1"}}},
		"queued, then nothing":             {{do: "say"}, {do: "a is lost"}, {do: "say"}, {do: "a hears"}, {do: "a leaves", want: []string{"2"}}},
		"check and break":                  {{do: "no a"}, {do: "say"}, {do: "a"}, {do: "a checks", want: []string{"1"}}, {do: "a breaks", want: []string{"1"}}},
		"check and heard":                  {{do: "no a"}, {do: "say"}, {do: "a"}, {do: "a checks", want: []string{"1"}}, {do: "a hears"}, {do: "a breaks"}},
		"check and leave":                  {{do: "no a"}, {do: "say"}, {do: "a"}, {do: "a checks", want: []string{"1"}}, {do: "a leaves"}},
		"other one has it":                 {{do: "b"}, {do: "say"}, {do: "a breaks"}, {do: "b hears"}, {do: "b breaks"}},
		"other one checks":                 {{do: "b"}, {do: "say"}, {do: "b checks"}, {do: "a breaks"}, {do: "b checks"}, {do: "b leaves"}},
		"nobody has it":                    {{do: "b"}, {do: "say"}, {do: "a breaks"}, {do: "b breaks", want: []string{"1"}}},
		"part of it":                       {{do: "say"}, {do: "a hears"}, {do: "b"}, {do: "say"}, {do: "b hears"}, {do: "say"}, {do: "a breaks"}, {do: "b breaks", want: []string{"3"}}},
		"behind a gap, which is closed":    {{do: "no a"}, {do: "say"}, {do: "a"}, {do: "b"}, {do: "a checks", want: []string{"1"}}, {do: "say"}, {do: "b hears"}, {do: "a leaves"}, {do: "b hears"}, {do: "b breaks"}},
		"behind a gap, which stays":        {{do: "no a"}, {do: "say"}, {do: "a"}, {do: "b"}, {do: "a checks", want: []string{"1"}}, {do: "say"}, {do: "b hears"}, {do: "a breaks"}, {do: "b breaks", want: []string{"1", "2"}}},
		"behind a gap, which is one's own": {{do: "no a"}, {do: "say"}, {do: "a"}, {do: "b"}, {do: "a checks", want: []string{"1"}}, {do: "say"}, {do: "a breaks"}, {do: "b checks", want: []string{"1", "2"}}, {do: "b hears"}, {do: "b checks"}, {do: "b breaks"}},
		"told only some": {
			{do: "say"}, {do: "a is lost"}, {do: "say"}, {do: "a is back"}, {do: "say"},
			{do: "a hears"}, {do: "a leaves", want: []string{"1", "2", "3"}},
		},
		"two parts": {
			{do: "no a"}, {do: "say"}, {do: "b"}, {do: "say"}, {do: "a"}, {do: "a checks", want: []string{"1", "2"}},
			{do: "a is lost"}, {do: "say"}, {do: "b checks"},
			{do: "a hears"}, {do: "a leaves"}, {do: "b hears"}, {do: "b breaks"},
		},
		"rejoin": {
			{do: "say"}, {do: "out"}, {do: "say"}, {do: "in"}, {do: "a checks"}, {do: "say"},
			{do: "a hears"}, {do: "say"}, {do: "a breaks", want: []string{"4"}},
		},
		"rejoin and leave": {{do: "say"}, {do: "out"}, {do: "in"}, {do: "a leaves"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) { w.play(steps) })
		})
	}
}

func (w *world) play(steps []step) {
	t := w.t
	id := w.group("dapur", 1, 2)
	ani, said := w.attach(1), 0
	ours := map[byte]*client{'a': w.attach(2)}
	var rest []string
	for i, s := range steps {
		c := ours[s.do[0]]
		switch s.do {
		case "a", "b":
			ours[s.do[0]] = w.attach(2)
		case "no a":
			ours['a'].Detach(true)
		case "say":
			said++
			want(t, ani.sendGroup("dapur", fmt.Sprint(said)), nil)
		case "a says":
			said++
			want(t, c.sendGroup("dapur", fmt.Sprint(said)), nil)
		case "in":
			want(t, w.Join(id, user(2)), nil)
		case "out":
			want(t, w.Leave("dapur", user(2), nil), nil)
		case "a sticks":
			c.stick()
		case "a is lost", "a is back":
			c.broken = s.do == "a is lost"
		case "a hears", "b hears":
			c.hear()
		case "a checks", "b checks":
			if got := c.check(); !slices.Equal(got, s.want) {
				t.Errorf("step %d, %s: %q, want %q", i, s.do, got, s.want)
			}
		case "a leaves", "b leaves", "a breaks", "b breaks":
			c.Detach(s.do[2:] == "leaves")
			delete(ours, s.do[0])
			rest = s.want
		default:
			t.Fatalf("what is %q?", s.do)
		}
		synctest.Wait()
	}
	if len(ours) > 0 {
		t.Fatal("somebody is still there")
	}
	w.attach(2).checked(rest...)
}

// Read positions are stored while sessions last: at CHECK, and now and then.
func TestSavePositions(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		id := w.group("dapur", 1, 2)
		ani, budi := w.attach(1), w.attach(2)
		stored := func(number int64) {
			t.Helper()
			synctest.Wait()
			if got := w.store.positions[[2]int64{2, id}]; got != number {
				t.Errorf("the stored position is %d, want %d", got, number)
			}
		}
		want(t, ani.sendGroup("dapur", "one"), nil)
		synctest.Wait()
		budi.hear()
		stored(0)
		budi.checked()
		stored(1)
		want(t, ani.sendGroup("dapur", "two"), nil)
		synctest.Wait()
		budi.hear()
		time.Sleep(10 * time.Second) // of the bubble
		stored(2)
		saved := 0
		w.store.onSave = func(map[int64]int64) { saved++ }
		time.Sleep(time.Hour)
		if saved > 0 {
			t.Errorf("nothing has moved, and it was stored %d times", saved)
		}
	})
}

// What is unread is counted without being read.
func TestUnread(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		w.group("kebun", 1, 2)
		w.group("sawah", 1)
		ani, budi := w.attach(1), w.attach(2)
		want(t, ani.send("u2", "private"), nil)
		budi.Detach(false)
		for _, g := range []string{"dapur", "kebun", "sawah", "dapur"} {
			want(t, ani.sendGroup(g, g), nil)
		}
		budi = w.attach(2)
		unread := func(n int64) {
			t.Helper()
			if got := budi.Unread(); got != n {
				t.Errorf("%d are unread, want %d", got, n)
			}
		}
		unread(4)
		unread(4)
		want(t, w.Leave("kebun", user(2), nil), nil)
		unread(3)
		want(t, w.DropGroup("dapur"), nil)
		unread(1)
		budi.checked("private")
		unread(0)
	})
}

// left demands the numbers of a conversation that are not deleted.
func (w *world) left(conversation int64, numbers ...int64) {
	w.t.Helper()
	synctest.Wait()
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	var left []int64
	for _, said := range w.store.numbered[conversation] {
		if said.ID > 0 {
			left = append(left, said.Number)
		}
	}
	if !slices.Equal(left, numbers) {
		w.t.Errorf("the messages %d are left, want %d", left, numbers)
	}
}

func TestRetentionByCount(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		id := w.group("dapur", 1, 2)
		ani := w.attach(1)
		for i := range 5 {
			want(t, ani.sendGroup("dapur", fmt.Sprint(i+1)), nil)
			want(t, ani.send("u1", fmt.Sprint(i+1)), nil)
		}
		settings := defaults
		settings.Groups.Count = 2
		w.Configure(settings)
		time.Sleep(10 * time.Second) // of the bubble
		w.left(id, 4, 5)
		w.left(id+1, 1, 2, 3, 4, 5)

		// What is gone is not promised, and doesn't keep the position back.
		budi := w.attach(2)
		if n := budi.Unread(); n != 2 {
			t.Errorf("%d are unread", n)
		}
		budi.checked("4", "5")
		budi.hear()
		budi.Detach(false)
		budi = w.attach(2)
		budi.checked()

		// What a CHECK has promised stays until it is read.
		budi.Detach(true)
		want(t, ani.sendGroup("dapur", "6"), nil)
		budi = w.attach(2)
		n, messages := budi.Check(t.Context())
		for i := range 5 {
			want(t, ani.sendGroup("dapur", fmt.Sprint(i+7)), nil)
		}
		time.Sleep(10 * time.Second)
		w.left(id, 6, 7, 8, 9, 10, 11)
		for m, err := range messages {
			if n != 1 || m.Text != "6" || err != nil {
				t.Error(n, m.Text, err)
			}
		}
		time.Sleep(10 * time.Second)
		w.left(id, 10, 11)
		want(t, ani.sendGroup("dapur", "12"), nil) // numbers go on
		w.left(id, 10, 11, 12)

		// Nor is more promised of the past, and that stays as well.
		n, messages, err := ani.Past(t.Context(), "dapur", hub.Page{Limit: 9})
		want(t, err, nil)
		want(t, ani.sendGroup("dapur", "13"), nil)
		time.Sleep(10 * time.Second)
		w.left(id, 10, 11, 12, 13)
		for m, err := range messages {
			if n != 3 || m.Number < 10 || m.Number > 12 || err != nil {
				t.Error(n, m.Number, err)
			}
		}
		time.Sleep(10 * time.Second)
		w.left(id, 12, 13)
	})
}

// What could not be deleted is tried again soon.
func TestRetentionAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := defaults
		settings.Groups.Age = time.Hour
		store := newMemory(9)
		var steps atomic.Int32
		store.onSweep = func() error {
			if steps.Add(1) == 2 {
				return hub.ErrFull
			}
			return nil
		}
		w := open(t, store, settings)
		id := w.group("dapur", 1)
		ani := w.attach(1)
		for range 3 {
			want(t, ani.sendGroup("dapur", "old"), nil)
		}
		time.Sleep(30 * time.Minute) // of the bubble
		want(t, ani.sendGroup("dapur", "young"), nil)
		time.Sleep(30 * time.Minute)
		for steps.Load() < 2 {
			time.Sleep(time.Second)
		}
		w.left(id, 2, 3, 4)
		time.Sleep(10 * time.Second)
		w.left(id, 4)
	})
}

func TestRetentionByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := defaults
		settings.Privates.Age = time.Hour
		w := open(t, newMemory(9), settings)
		id := w.group("dapur", 1)
		ani := w.attach(1)
		for range 3 {
			want(t, ani.sendGroup("dapur", "kept"), nil)
			want(t, ani.send("u1", "swept"), nil)
			time.Sleep(25 * time.Minute) // of the bubble
		}
		w.left(id+1, 2, 3)
		time.Sleep(30 * time.Minute)
		w.left(id+1, 3)
		time.Sleep(time.Hour)
		w.left(id + 1)
		want(t, ani.send("u1", "later"), nil)
		w.left(id+1, 4)
		time.Sleep(2 * time.Hour)
		w.left(id + 1)
		w.left(id, 1, 2, 3)
	})
}

// After a restart everything goes on.
func TestRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		w.group("kebun", 1)
		ani := w.attach(1)
		w.attach(2)
		want(t, ani.sendGroup("dapur", "one"), nil)
		want(t, ani.send("u2", "two"), nil)
		want(t, w.DropGroup("kebun"), nil)
		w.Close()

		next := open(t, w.store, defaults)
		ani = next.attach(1)
		want(t, ani.sendGroup("dapur", "three"), nil)
		budi := next.attach(2)
		want(t, ani.send("u2", "four"), nil)
		want(t, ani.sendGroup("kebun", ""), hub.ErrNoGroup)
		next.group("kebun", 1, 2)
		budi.told("MSG 2 u1 u2 four", "JOINED kebun u2")
		budi.checked("one", "two", "three", "four")
	})
}

func TestNew(t *testing.T) {
	// What doesn't open leaves no goroutine.
	failure := errors.New("the disk")
	for at := range 4 {
		_, err := hub.New(t.Context(), hub.Options{Store: &unreadable{newMemory(1), at, failure}})
		want(t, err, failure)
	}
}
