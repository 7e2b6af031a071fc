package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"posko/server/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a hub over a store, in a test.
type world struct {
	*hub.Hub
	t      *testing.T
	store  *memory
	failed chan error // what Fail was called with
	log    *strings.Builder
}

var defaults = hub.Settings{PrivateHistory: true}

// open starts a hub and ends it with the test.
func open(t *testing.T, store *memory, settings hub.Settings) *world {
	t.Helper()
	w := &world{t: t, store: store, failed: make(chan error, 10), log: &strings.Builder{}}
	h, err := hub.New(t.Context(), hub.Options{
		Store: store, Settings: settings,
		Log:  slog.New(slog.NewTextHandler(w.log, nil)),
		Fail: func(err error) { w.failed <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Hub = h
	t.Cleanup(h.Close)
	return w
}

// inBubble runs a test in which synctest.Wait waits until the hub is idle.
func inBubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, open(t, newMemory(9), defaults)) })
}

// A box is an outbox whose client reads as the test wants.
type box struct {
	mu       sync.Mutex
	lines    []string
	appended int64
	written  int64
	stuck    bool // the client takes nothing more
	broken   bool // nothing can be queued any more
	flushed  int
}

func (b *box) Append(text []byte) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken {
		return 0
	}
	b.lines = append(b.lines, strings.TrimSuffix(string(text), "\n"))
	b.appended++ // a line counts as one byte: the lines up to written were taken
	return b.appended
}

func (b *box) Flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flushed++
	if !b.stuck {
		b.written = b.appended
	}
}

// stick makes the client take nothing more.
func (b *box) stick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stuck = true
}

// taken are the lines that the client has.
func (b *box) taken() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.lines[:b.written])
}

// A client is a session and what it was told.
type client struct {
	*hub.Session
	*box
	t     *testing.T
	who   hub.Account
	ended chan hub.Reason
}

// front words events so that a test can tell everything from a line.
var front = &hub.Front{Word: func(e *hub.Event) []byte {
	switch e.What {
	case hub.SaidPrivately:
		return fmt.Appendf(nil, "MSG %d %s %s %s\n", e.Number, e.From.Name, e.To, e.Text)
	case hub.SaidInGroup:
		return fmt.Appendf(nil, "GRUP %d %s %s %s\n", e.Number, e.Group, e.From.Name, e.Text)
	case hub.SaidToAll:
		return fmt.Appendf(nil, "ALL %s %s\n", e.From.Name, e.Text)
	case hub.Joined:
		return fmt.Appendf(nil, "JOINED %s %s\n", e.Group, e.From.Name)
	case hub.Left:
		return fmt.Appendf(nil, "LEFT %s %s\n", e.Group, e.From.Name)
	case hub.Acted:
		text := fmt.Sprintf("ACT %d %s %s %s %s", e.Action, e.Group, e.From.Name, e.To, e.Text)
		return []byte(strings.Join(strings.Fields(text), " ") + "\n")
	case hub.ShowTopic:
		return fmt.Appendf(nil, "TOPIC %s %s\n", e.Group, e.Text)
	}
	return nil
}}

func confirmed(context.Context) error { return nil }

// try attaches a session.
func (w *world) try(who hub.Account, confirm func(context.Context) error) (*client, error) {
	c := &client{t: w.t, who: who, box: &box{}, ended: make(chan hub.Reason, 10)}
	s, err := w.Attach(w.t.Context(), hub.Attachment{
		Account: who, Front: front, Out: c.box, End: func(why hub.Reason) { c.ended <- why },
	}, confirm)
	c.Session = s
	return c, err
}

// attach attaches a session of the account with that number.
func (w *world) attach(id int64) *client {
	w.t.Helper()
	c, err := w.try(user(id), confirmed)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// hear has a command come from the client, which has all that was written.
func (c *client) hear() {
	c.mu.Lock()
	written := c.written
	c.mu.Unlock()
	c.Heard(written)
}

// attachFiles attaches a session that is told nothing.
func (w *world) attachFiles(id int64) *client {
	w.t.Helper()
	c := &client{t: w.t, who: user(id), ended: make(chan hub.Reason, 10)}
	s, err := w.Attach(w.t.Context(), hub.Attachment{
		Account: user(id), End: func(why hub.Reason) { c.ended <- why },
	}, confirmed)
	if err != nil {
		w.t.Fatal(err)
	}
	c.Session = s
	return c
}

// group makes a group; the first member owns it.
func (w *world) group(name string, members ...int64) int64 {
	w.t.Helper()
	want(w.t, w.CreateGroup(name, "hash", user(members[0])), nil)
	g, err := w.Group(name)
	want(w.t, err, nil)
	for _, id := range members[1:] {
		want(w.t, w.Join(g.ID, user(id)), nil)
	}
	return g.ID
}

// send sends a private message and waits for its result.
func (c *client) send(to, text string) error {
	done := make(chan error, 1)
	c.Send(to, text, "", func(err error) { done <- err })
	return <-done
}

func (c *client) sendGroup(group, text string) error {
	done := make(chan error, 1)
	c.SendGroup(group, text, "", func(err error) { done <- err })
	return <-done
}

func (c *client) join(at hub.Entrance) error {
	done := make(chan error, 1)
	c.Join(at, func(err error) { done <- err })
	return <-done
}

func (c *client) broadcast(text string) error {
	done := make(chan error, 1)
	c.Broadcast(text, func(err error) { done <- err })
	return <-done
}

// check returns the texts of what CHECK shows.
func (c *client) check() (texts []string) {
	c.t.Helper()
	n, messages := c.Check(c.t.Context())
	for m, err := range messages {
		if err != nil {
			c.t.Fatal(err)
		}
		texts = append(texts, m.Text)
	}
	if len(texts) != n {
		c.t.Errorf("%d messages were promised, %d came", n, len(texts))
	}
	return texts
}

// told demands what the client was told since the last time, once the hub is
// idle.
func (c *client) told(lines ...string) {
	c.t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.lines, lines) {
		c.t.Errorf("%s was told %q, want %q", c.who.Name, c.lines, lines)
	}
	// Their places in the stream stay.
	c.lines = nil
}

// checked demands what CHECK shows.
func (c *client) checked(texts ...string) {
	c.t.Helper()
	if got := c.check(); !slices.Equal(got, texts) {
		c.t.Errorf("CHECK showed %s %q, want %q", c.who.Name, got, texts)
	}
}

func want(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A gate holds commits up, so that a test fills the next round.
type gate struct {
	entered chan []hub.Record
	result  chan error
}

// hold makes every commit wait at the gate.
func (w *world) hold() *gate {
	g := &gate{make(chan []hub.Record, 10000), make(chan error)}
	w.store.onCommit = func(records []hub.Record) error {
		g.entered <- records
		return <-g.result
	}
	return g
}

// open lets all commits through from now on.
func (g *gate) open() { close(g.result) }

// queue hands something in that waits for its result, behind all before it.
func queue(change func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- change() }()
	synctest.Wait()
	return result
}

// settle waits, in the bubble, for the rounds of all that was handed in.
func settle() {
	time.Sleep(time.Second)
	synctest.Wait()
}

// busy has a commit wait at the gate: what is handed in next is one round. The
// message that does it comes from account 9.
func (w *world) busy() (*gate, <-chan error) {
	s := w.attach(9)
	g := w.hold()
	return g, queue(func() error { return s.send("u9", "first") })
}
