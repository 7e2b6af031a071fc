package store

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"posko/server/hub"
)

// commitForever is a child: it goes on where the database ends, in rounds of
// different sizes, and says after each one up to where it was acknowledged.
func commitForever(dir string) error {
	ctx := context.Background()
	s, err := Open(ctx, dir, Options{})
	if err != nil {
		return err
	}
	last, _, err := s.LastIDs(ctx)
	if err != nil {
		return err
	}
	for {
		var round []hub.Record
		for range 1 + rand.IntN(30) {
			last++
			round = append(round, message(last, 1, last, 1, strconv.FormatInt(last, 10)))
		}
		if err := s.Commit(ctx, round); err != nil {
			return err
		}
		if err := s.SavePositions(ctx, 1, map[int64]int64{1: last}); err != nil {
			return err
		}
		fmt.Println(last)
	}
}

// TestKill kills a process that commits, again and again, at any moment, and
// finds every acknowledged message, whole and in order.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	addAccount(t, s, "ani")
	commit(t, s, hub.RecordPrivate{ID: 1, A: 1, B: 1})
	s.Close()

	var acknowledged int64
	for range 8 {
		c := startChild(t, "commit", dir)
		for range 1 + rand.IntN(40) {
			if !c.out.Scan() {
				t.Fatal("the child ended by itself")
			}
		}
		// The child goes on meanwhile: what it says until it is dead counts.
		c.cmd.Process.Kill()
		for ok := true; ok; ok = c.out.Scan() {
			n, err := strconv.ParseInt(c.out.Text(), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			acknowledged = n
		}
		c.cmd.Wait()

		s := openStore(t, dir)
		got, err := s.Messages(t.Context(), []hub.Span{{Conversation: 1, Last: math.MaxInt64}}, math.MaxInt64)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range got {
			if n := int64(i + 1); m.Number != n || m.ID != n || m.Text != strconv.FormatInt(n, 10) {
				t.Fatalf("in the place of message %d there is %+v", n, m)
			}
		}
		if found := int64(len(got)); found < acknowledged {
			t.Fatalf("%d messages were acknowledged, %d are there", acknowledged, found)
		}
		s.Close()
	}
}
