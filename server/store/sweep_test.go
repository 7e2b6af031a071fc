package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posko/server/hub"
)

func TestSweep(t *testing.T) {
	s, ani := talk(t, 3*300) // of which group 1 has 300
	index(t, s)
	steps := 0
	for more := true; more; steps++ {
		var err error
		if more, err = s.Sweep(t.Context(), 1, 290); err != nil {
			t.Fatal(err)
		}
	}
	if steps != 3 {
		t.Errorf("%d steps", steps)
	}
	swept := func(want ...int64) {
		t.Helper()
		var got []int64
		for _, g := range groups(t, s) {
			got = append(got, g.Last, g.Swept)
		}
		privates, err := s.Privates(t.Context())
		for _, p := range privates[:1] {
			got = append(got, p.Last, p.Swept)
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Error(err, diff)
		}
	}
	swept(300, 290, 300, 0, 300, 0)
	found, err := s.Search(t.Context(), []hub.Span{{Conversation: 1, Last: 300}}, []string{"halo"}, 1000)
	if err != nil || len(found) != 10 {
		t.Errorf("%d are found, %v", len(found), err)
	}
	if _, err := s.Sweep(t.Context(), 1, 300); err != nil {
		t.Fatal(err)
	}
	swept(300, 300, 300, 0, 300, 0)
	commit(t, s, message(902, 1, 301, ani, "goes on"))
	swept(301, 300, 300, 0, 300, 0)
}

func TestAged(t *testing.T) {
	s, ani := talk(t, 3)
	for number := int64(2); number < 6; number++ {
		m := message(number+3, 1, number, ani, "later")
		m.Time = t0.Add(time.Duration(number) * time.Second)
		commit(t, s, m)
	}
	at := func(n int) time.Time { return t0.Add(time.Duration(n) * time.Second) }
	for _, test := range []struct {
		after  int64
		before time.Time
		limit  int
		number int64
		next   time.Time
	}{
		{0, t0, 9, 0, t0},
		{0, at(3), 9, 2, at(3)},
		{2, at(3), 9, 2, at(3)},
		{0, at(4), 2, 2, time.Time{}},
		{0, at(9), 9, 5, time.Time{}},
		{5, at(9), 9, 5, time.Time{}},
	} {
		number, next, err := s.Aged(t.Context(), 1, test.after, test.before, test.limit)
		if number != test.number || !next.Equal(test.next) || err != nil {
			t.Errorf("%+v: %d, %v, %v", test, number, next, err)
		}
	}
}
