package hub_test

import (
	"slices"
	"sync"
	"testing"

	"posko/server/hub"
)

// past are the texts that CHECKPAST, or SEARCH for a word, shows of dapur.
func (c *client) past() []string {
	c.t.Helper()
	texts, err := c.pastOf("dapur", hub.Page{Limit: 9})
	want(c.t, err, nil)
	return texts
}

func (c *client) pastOf(name string, page hub.Page) (texts []string, err error) {
	c.t.Helper()
	n, messages, err := c.Past(c.t.Context(), name, page)
	if err != nil {
		return nil, err
	}
	for m, err := range messages {
		want(c.t, err, nil)
		texts = append(texts, m.Text)
	}
	if len(texts) != n {
		c.t.Errorf("%d messages were promised, %d shown", n, len(texts))
	}
	return texts, nil
}

func (c *client) search(words ...string) []string {
	c.t.Helper()
	messages, err := c.Search(c.t.Context(), words, 9)
	want(c.t, err, nil)
	return wordsOf(messages)
}

func wordsOf(messages []hub.Message) (all []string) {
	for _, m := range messages {
		all = append(all, m.Text)
	}
	return all
}

// What a member sees begins at its place in the order of all, also in one round
// and after a restart.
func TestSinceJoined(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		id := w.group("dapur", 1, 2)
		ani, budi, citra := w.attach(1), w.attach(2), w.attach(3)
		want(t, ani.SetSinceJoined("dapur", true), nil)
		g, _ := w.busy()
		var all []<-chan error
		for _, change := range []func() error{
			func() error { return ani.sendGroup("dapur", "kopi satu") },
			func() error { return w.Join(id, citra.who) },
			func() error { return ani.sendGroup("dapur", "kopi dua") },
			func() error { return ani.moderate(hub.Promote, 3) }, // who stays since then
			func() error { return budi.moderate(hub.Promote, 3) },
		} {
			all = append(all, queue(change))
		}
		g.open()
		for i, err := range []error{nil, nil, nil, nil, hub.ErrDenied} {
			want(t, <-all[i], err)
		}
		for range 2 {
			for _, c := range []struct {
				who   *client
				texts []string
			}{
				{ani, []string{"kopi satu", "kopi dua"}},
				{budi, []string{"kopi satu", "kopi dua"}},
				{citra, []string{"kopi dua"}},
			} {
				for _, got := range [][]string{c.who.past(), c.who.search("kopi"), c.who.search("dapur", "kopi")} {
					if !slices.Equal(got, c.texts) {
						t.Errorf("%s sees %q, want %q", c.who.who.Name, got, c.texts)
					}
				}
			}
			w.Close()
			w = open(t, w.store, defaults)
			ani, budi, citra = w.attach(1), w.attach(2), w.attach(3)
		}
		want(t, ani.SetSinceJoined("dapur", false), nil)
		if got := citra.past(); len(got) != 2 {
			t.Errorf("in an open group u3 sees %q", got)
		}
	})
}

// Who is put out while it asks is shown nothing of what is hidden from it.
func TestPastWhileLeaving(t *testing.T) {
	w := open(t, newMemory(9), defaults)
	id := w.group("dapur", 1)
	ani, budi := w.attach(1), w.attach(2)
	want(t, ani.SetSinceJoined("dapur", true), nil)
	want(t, ani.sendGroup("dapur", "rahasia"), nil)
	ended := make(chan struct{})
	var asking sync.WaitGroup
	defer asking.Wait()
	for range 2 {
		asking.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				shown, _ := budi.pastOf("dapur", hub.Page{Limit: 9})
				found, _ := budi.Search(t.Context(), []string{"dapur", "rahasia"}, 9)
				if len(shown)+len(found) > 0 {
					t.Errorf("it is shown %q and %q", shown, wordsOf(found))
					return
				}
			}
		})
	}
	for range 2000 {
		want(t, w.Join(id, budi.who), nil)
		want(t, w.Leave("dapur", budi.who, nil), nil)
	}
	close(ended)
}
