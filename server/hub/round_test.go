package hub_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posko/server/hub"
)

// texts are the texts of the messages of a round.
func texts(records []hub.Record) (all []string) {
	for _, r := range records {
		if m, ok := r.(hub.RecordMessage); ok {
			all = append(all, m.Text)
		}
	}
	return all
}

func numbered(prefix string, from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint(prefix, i))
	}
	return all
}

func TestRound(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2, 3)
		ani, budi := w.attach(1), w.attach(2)
		w.attach(3)
		g := w.hold()
		first := queue(func() error { return ani.sendGroup("dapur", "alone") })
		if got := texts(<-g.entered); !slices.Equal(got, []string{"alone"}) {
			t.Errorf("the lone message's round has %q", got)
		}
		var later []<-chan error
		for i := range 50 {
			later = append(later, queue(func() error { return ani.sendGroup("dapur", fmt.Sprint("a", i)) }))
			later = append(later, queue(func() error { return budi.send("u3", fmt.Sprint("b", i)) }))
		}
		select {
		case err := <-first:
			t.Errorf("answered before the commit: %v", err)
		default:
		}
		budi.told()
		g.open()
		want(t, <-first, nil)
		for _, result := range later {
			want(t, <-result, nil)
		}
		if got := texts(<-g.entered); len(got) != 100 || len(g.entered) != 0 {
			t.Errorf("the next round has %d messages, and %d rounds follow", len(got), len(g.entered))
		}
	})
}

func TestFlush(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		ani, budi, citra := w.attach(1), w.attach(2), w.attach(3)
		g, _ := w.busy()
		for range 10 {
			ani.SendGroup("dapur", "halo", "", func(error) {})
		}
		citra.Send("nobody", "halo", "", func(error) {})
		g.open()
		settle()
		for _, c := range []*client{ani, budi, citra} {
			if c.flushed != 1 {
				t.Errorf("%s was flushed %d times in a round", c.who.Name, c.flushed)
			}
		}
	})
}

func TestSessionShare(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2, 3)
		ani, budi, citra := w.attach(1), w.attach(2), w.attach(3)
		g, _ := w.busy()
		<-g.entered
		for i := range 200 {
			ani.SendGroup("dapur", fmt.Sprint("a", i), "", func(error) {})
		}
		budi.SendGroup("dapur", "b0", "", func(error) {})
		g.open()
		settle()
		for _, want := range [][]string{
			append(numbered("a", 0, 64), "b0"),
			numbered("a", 64, 128), numbered("a", 128, 192), numbered("a", 192, 200),
		} {
			if got := texts(<-g.entered); !slices.Equal(got, want) {
				t.Errorf("round of %q, want %q", got, want)
			}
		}
		if len(citra.lines) != 201 {
			t.Errorf("%d lines delivered", len(citra.lines))
		}
	})
}

func TestRoundBounds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var sessions []*client
		for range 20 {
			sessions = append(sessions, w.attach(1))
		}
		g, _ := w.busy()
		<-g.entered
		for _, s := range sessions {
			for range 60 {
				s.Send("u1", "small", "", func(error) {})
			}
		}
		large := strings.Repeat("x", 300<<10)
		for range 5 {
			sessions[0].Send("u2", "refused", "", func(error) {})
			sessions[1].Send("u1", large, "", func(error) {})
		}
		g.open()
		settle()
		for _, want := range []int{1000, 204, 1} { // 200 small and 4 large ones are the first to pass 1 MiB
			if got := len(texts(<-g.entered)); got != want {
				t.Errorf("round of %d messages, want %d", got, want)
			}
		}
	})
}

// A round waits for its turn, and is made of all that is there by then.
func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := make(chan bool)
		h, err := hub.New(t.Context(), hub.Options{
			Store: newMemory(9), Log: slog.New(slog.DiscardHandler), Settings: defaults, Turn: func() { <-turn },
		})
		want(t, err, nil)
		w := &world{Hub: h, t: t}
		ani, budi := w.attach(1), w.attach(2)
		for _, size := range []int{3, 1} {
			var said []<-chan error
			for range size {
				said = append(said, queue(func() error { return ani.send("u2", "x") }))
			}
			if got := len(budi.lines); got > 0 {
				t.Errorf("%d were told before the round's turn", got)
			}
			turn <- true
			synctest.Wait()
			for _, result := range said {
				want(t, <-result, nil)
			}
			if got := len(budi.lines); got != size {
				t.Errorf("a round of %d messages, want %d", got, size)
			}
			budi.lines = nil
		}
		close(turn)
		h.Close()
	})
}

// Where several sessions talk, an answer goes out with what else is said to its
// session, or after 5 ms.
func TestAnswerWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ani, budi, citra := w.attach(1), w.attach(2), w.attach(3)
		flushes := func(when string, want ...int) {
			t.Helper()
			synctest.Wait()
			for i, c := range []*client{ani, budi, citra} {
				c.mu.Lock()
				got := c.flushed
				c.flushed = 0
				c.mu.Unlock()
				if got != want[i] {
					t.Errorf("%s, %s was flushed %d times, want %d", when, c.who.Name, got, want[i])
				}
			}
		}
		both := func() {
			g, _ := w.busy()
			queue(func() error { return ani.send("u3", "x") })
			queue(func() error { return budi.send("u3", "x") })
			g.open()
		}
		both()
		flushes("after a round of two", 0, 0, 1)
		time.Sleep(5*time.Millisecond - 1)
		flushes("before the time is over", 0, 0, 0)
		time.Sleep(time.Nanosecond)
		flushes("after the time", 1, 1, 0)
		both()
		flushes("after a round of two", 0, 0, 1)
		want(t, citra.send("u1", "x"), nil)
		flushes("after the next round", 1, 0, 1)
		time.Sleep(5 * time.Millisecond)
		flushes("after the time", 0, 1, 0)
		want(t, ani.send("u3", "x"), nil)
		want(t, ani.send("u2", "x"), nil)
		flushes("after two rounds of one", 2, 1, 1)
		both()
		flushes("after a round of two", 0, 0, 1)
		w.Close()
		flushes("at the end", 1, 1, 0)
	})
}

// Who comes and goes between two messages hears those in between, and so does
// who joins and leaves.
func TestAudience(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		id := w.group("dapur", 1, 2)
		ani := w.attach(1)
		say := func(text string) { t.Helper(); want(t, ani.sendGroup("dapur", text), nil) }
		say("nobody")
		first := w.attach(2)
		say("budi")
		citra := w.attach(3)
		want(t, citra.join(hub.Entrance{Group: id}), nil)
		say("both")
		first.Detach(false)
		budi := w.attach(2)
		say("both again")
		want(t, w.Leave("dapur", citra.who, citra.Session), nil)
		say("budi alone")
		synctest.Wait()
		for _, test := range []struct {
			who  *client
			want []string
		}{{first, []string{"budi", "both"}}, {budi, []string{"both again", "budi alone"}}, {citra, []string{"both", "both again"}}} {
			var got []string
			for _, line := range test.who.taken() {
				for _, text := range []string{"nobody", "budi alone", "both again", "both", "budi"} {
					if strings.HasSuffix(strings.TrimSpace(line), " "+text) {
						got = append(got, text)
						break
					}
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s heard %q of %q", test.who.who.Name, got, test.who.taken())
			}
		}
	})
}

// A session is told when very many wait for a round, and nobody for ever.
func TestQueueBound(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ani := w.attach(1)
		g, _ := w.busy()
		large := strings.Repeat("x", 1<<20)
		handed, answered := 0, 0
		for !ani.Full() {
			ani.Send("u1", large, "", func(error) { answered++ })
			handed++
		}
		if handed != 16 {
			t.Errorf("%d MiB wait in the queue", handed)
		}
		waits := queue(func() error { return w.CreateGroup("kebun", "hash", ani.who) })
		if len(waits) > 0 {
			t.Error("a change does not wait for room")
		}
		g.open()
		settle()
		if ani.Full() || answered != handed {
			t.Errorf("%d handed in, %d answered", handed, answered)
		}
		want(t, <-waits, nil)
	})
}

func TestFull(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		id := w.group("dapur", 1, 2)
		ani, budi, citra := w.attach(1), w.attach(2), w.attach(3)
		want(t, ani.sendGroup("dapur", "before"), nil)
		budi.told("GRUP 1 dapur u1 before")
		g, first := w.busy()
		results := []<-chan error{
			first,
			queue(func() error { return ani.sendGroup("dapur", "lost") }),
			queue(func() error { return ani.send("u2", "lost") }),
			queue(func() error { return ani.broadcast("refused") }),
			queue(func() error { return w.CreateGroup("kebun", "", citra.who) }),
			queue(func() error { return citra.join(hub.Entrance{Group: id}) }),
			queue(func() error { return w.Leave("dapur", budi.who, budi.Session) }),
			queue(func() error { return w.Leave("dapur", budi.who, budi.Session) }), // refused for a reason that is none
			queue(func() error { return w.DropGroup("dapur") }),
			queue(func() error { return w.DeleteAccount(ani.who) }),
		}
		g.result <- fmt.Errorf("wrapped: %w", hub.ErrFull)
		g.result <- fmt.Errorf("wrapped: %w", hub.ErrFull)
		for i, result := range results {
			if err := <-result; !errors.Is(err, hub.ErrFull) {
				t.Errorf("result %d is %v", i, err)
			}
		}
		g.open()
		ani.told()
		budi.told()
		citra.told()
		want(t, citra.sendGroup("dapur", "not in"), hub.ErrNotMember)
		_, err := w.Group("kebun")
		want(t, err, hub.ErrNoGroup)
		// The numbers are given again: the store would see a gap.
		want(t, ani.sendGroup("dapur", "after"), nil)
		want(t, citra.send("u2", "after"), nil)
		want(t, w.CreateGroup("kebun", "", citra.who), nil)
		budi.told("GRUP 2 dapur u1 after", "MSG 1 u3 u2 after")
	})
}

func TestInDoubt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		ani, budi := w.attach(1), w.attach(2)
		g, first := w.busy()
		<-g.entered
		var second []<-chan error
		for range 2 {
			second = append(second, queue(func() error { return w.Leave("dapur", ani.who, nil) }))
		}
		for i := range 70 { // more than one round takes
			second = append(second, queue(func() error { return budi.sendGroup("dapur", fmt.Sprint(i)) }))
		}
		g.result <- nil
		synctest.Wait()
		want(t, <-first, nil)
		<-g.entered
		g.result <- fmt.Errorf("wrapped: %w", hub.ErrInDoubt)
		synctest.Wait()
		for i, result := range second {
			err := hub.ErrInDoubt
			if i >= 2+64 {
				err = hub.ErrClosed // these were surely not done
			}
			want(t, <-result, err)
		}
		want(t, budi.sendGroup("dapur", "later"), hub.ErrClosed)
		want(t, w.CreateGroup("kebun", "", ani.who), hub.ErrClosed)
		want(t, <-w.failed, hub.ErrInDoubt)
		if len(w.failed) != 0 || len(g.entered) != 0 {
			t.Errorf("Fail was called %d times more, Commit %d times", len(w.failed), len(g.entered))
		}
		ani.told()
		if len(w.store.rounds) == 0 {
			t.Error("nothing was committed before")
		}
	})
}

func TestTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		id := w.group("dapur", 1, 2)
		ani, budi := w.attach(1), w.attach(2)
		g, _ := w.busy()
		var got []<-chan error
		add := func(change func() error) { got = append(got, queue(change)) }
		add(func() error { return ani.sendGroup("dapur", "one") })
		add(func() error { return w.CreateGroup("U2", "", ani.who) })
		add(func() error { return ani.sendGroup("u2", "nowhere") })
		add(func() error { return w.Join(id, user(3)) })
		add(func() error { return w.CreateGroup("kebun", "", user(3)) })
		add(func() error { return w.Leave("u2", ani.who, nil) })
		add(func() error { return w.DeleteAccount(budi.who) })
		add(func() error { return w.CreateGroup("u2", "", user(3)) }) // free by now
		add(func() error { return w.CreateGroup("u4", "", user(3)) })
		add(func() error { return ani.sendGroup("dapur", "two") })
		g.open()
		for i, err := range []error{
			nil, hub.ErrNameTaken, hub.ErrNoGroup, nil, nil, hub.ErrNoGroup, nil, nil, hub.ErrNameTaken, nil,
		} {
			if err2 := <-got[i]; !errors.Is(err2, err) {
				t.Errorf("result %d is %v, want %v", i, err2, err)
			}
		}
		ani.told("JOINED dapur u3", "LEFT dapur u2")
		if members, err := w.Members("u2"); err != nil || len(members) != 1 || members[0].Account != user(3) {
			t.Errorf("the group has %v, %v", members, err)
		}
		budi.told("GRUP 1 dapur u1 one", "JOINED dapur u3")
	})
}

// A message that is planned again without a history has nothing to do with the
// conversation of its first plan.
func TestTakenHistory(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ani, budi := w.attach(1), w.attach(2)
		want(t, ani.send("u2", "one"), nil)
		budi.told("MSG 1 u1 u2 one")
		g, _ := w.busy()
		taken := queue(func() error { return w.CreateGroup("u2", "", ani.who) })
		sent := queue(func() error { return ani.send("u2", "fleeting") })
		g.result <- nil
		synctest.Wait()
		w.Configure(hub.Settings{})
		g.open()
		want(t, <-taken, hub.ErrNameTaken)
		want(t, <-sent, nil)
		budi.told("MSG 0 u1 u2 fleeting")
		w.Configure(defaults)
		want(t, ani.send("u2", "two"), nil)
		budi.told("MSG 2 u1 u2 two")
		budi.checked()
	})
}

func TestClose(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		ani, budi := w.attach(1), w.attach(2)
		g, first := w.busy()
		second := queue(func() error { return ani.sendGroup("dapur", "handed in") })
		closed := queue(func() error { w.Close(); return nil })
		want(t, ani.sendGroup("dapur", "late"), hub.ErrClosed)
		g.result <- nil
		synctest.Wait()
		budi.told()
		select {
		case <-closed:
			t.Error("closed before the last change was done")
		default:
		}
		g.open()
		want(t, <-first, nil)
		want(t, <-second, nil)
		<-closed
		budi.told("GRUP 1 dapur u1 handed in")
		w.Close()
	})
}

// Whoever waits for room in the queue is let go when the hub stops.
func TestCloseQueue(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ani := w.attach(1)
		g, _ := w.busy()
		for range 16 {
			ani.Send("u1", strings.Repeat("x", 1<<20), "", func(error) {})
		}
		waits := queue(func() error { return w.CreateGroup("kebun", "hash", ani.who) })
		closed := queue(func() error { w.Close(); return nil })
		want(t, <-waits, hub.ErrClosed)
		g.open()
		<-closed
	})
}

// Close keeps what those who are connected have received.
func TestClosePositions(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.group("dapur", 1, 2)
		ani, budi := w.attach(1), w.attach(2)
		want(t, ani.sendGroup("dapur", "heard"), nil)
		synctest.Wait()
		budi.hear()
		want(t, ani.sendGroup("dapur", "not heard"), nil)
		w.Close()
		again := open(t, w.store, defaults)
		again.attach(2).checked("not heard")
	})
}
