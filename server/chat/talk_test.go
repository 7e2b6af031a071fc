package chat

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"posko/server/hub"
	"posko/server/line"
	"posko/server/store"
)

// TestSaysNotYet has so much wait for a round that no more is taken.
func TestSaysNotYet(t *testing.T) {
	db, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	proceed := make(chan bool)
	h, err := hub.New(t.Context(), hub.Options{
		Store: db, Log: slog.New(slog.DiscardHandler), Turn: func() { <-proceed },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	defer close(proceed)
	presence, err := h.Attach(t.Context(), hub.Attachment{Account: hub.Account{ID: 1, Name: "ani"}},
		func(context.Context) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer presence.Detach(true)
	for text := strings.Repeat("x", 1<<20); !presence.Full(); {
		presence.Send("budi", text, "", func(error) {})
	}
	run := says(func(*session, *line.Call, func(error)) { t.Error("one more was handed in") })
	if err := run(&session{presence: presence}, t.Context(), new(line.Call)); err != line.ErrNotYet {
		t.Errorf("it says %v", err)
	}
}
