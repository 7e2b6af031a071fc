package store

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posko/server/hub"
)

// index brings the index up to date.
func index(t *testing.T, s *Store) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = s.Index(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSearch(t *testing.T) {
	s, ani := talk(t, 0) // which has said 1 in conversation 4
	texts := []string{
		2: "Kopi hitam, tanpa gula", 3: "kopi susu", 4: "KOPI? café!", 5: `foo-bar "quoted" NEAR(kopi) a* ^b {c}`,
		6: "... !!", 7: "tanpa kopi hitam",
	}
	for id, text := range texts[2:] {
		commit(t, s, message(int64(id+2), int64(id%2+1), int64(id/2+1), ani, text))
	}
	all := []hub.Span{{Conversation: 1, Last: 99}, {Conversation: 2, Last: 99}}
	index(t, s)
	for name, test := range map[string]struct {
		spans []hub.Span
		words string
		limit int
		want  []int64
	}{
		"all":                 {all, "kopi", 9, []int64{2, 3, 4, 5, 7}},
		"the last":            {all, "kopi", 2, []int64{5, 7}},
		"every word":          {all, "hitam kopi", 9, []int64{2, 7}},
		"in one":              {all[:1], "kopi", 9, []int64{2, 4}},
		"from a number on":    {[]hub.Span{{Conversation: 1, After: 1, Last: 9}}, "kopi", 9, []int64{4}},
		"up to a number":      {[]hub.Span{{Conversation: 1, After: 0, Last: 1}}, "kopi", 9, []int64{2}},
		"not to be read":      {all, "not", 9, nil},
		"nowhere":             {nil, "kopi", 9, nil},
		"without the accent":  {all, "CAFE", 9, []int64{4}},
		"two words in one":    {all, "foo-bar", 9, []int64{5}},
		"in the wrong order":  {all, "bar-foo", 9, nil},
		"no word":             {all, "!!", 9, nil},
		"no word, and one":    {all, "kopi !!", 9, []int64{2, 3, 4, 5, 7}},
		"part of a word":      {all, "kop", 9, nil},
		"a prefix's syntax":   {all, "kop*", 9, nil},
		"an operator":         {all, "kopi OR gula", 9, nil},
		"a column":            {all, "place:1", 9, nil},
		"another place":       {all[:1], `x") OR place:("4`, 9, nil},
		"quotes":              {all, `"quoted"`, 9, []int64{5}},
		"a lone quote":        {all, `"`, 9, nil},
		"a function":          {all, `NEAR(kopi)`, 9, []int64{5}},
		"brackets and a mark": {all, `) ( ^ { - + : kopi`, 9, []int64{2, 3, 4, 5, 7}},
	} {
		got, err := s.Search(t.Context(), test.spans, strings.Fields(test.words), test.limit)
		if diff := cmp.Diff(test.want, ids(got)); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}

	// A deleted message is no longer found, nor indexed again.
	runStatement(t, s, `DELETE FROM messages WHERE id IN (2, 7)`)
	commit(t, s, message(8, 1, 9, ani, "kopi lagi"))
	index(t, s)
	if got, err := s.Search(t.Context(), all, []string{"kopi"}, 9); err != nil || !cmp.Equal(ids(got), []int64{3, 4, 5, 8}) {
		t.Error(ids(got), err)
	}
	if n, err := one(t.Context(), s.read, scanInt, `SELECT count(*) FROM search_docsize`); n != 6 || err != nil {
		t.Errorf("%d messages are indexed, %v", n, err)
	}
}

// An account that takes part in very many conversations may search, too, and
// words may be as many as they fit into a line.
func TestSearchMany(t *testing.T) {
	s, _ := talk(t, 3)
	spans := make([]hub.Span, 5000)
	for i := range spans {
		spans[i] = hub.Span{Conversation: int64(i + 1), Last: 9}
	}
	index(t, s)
	if got, err := s.Search(t.Context(), spans, []string{"halo"}, 9); err != nil || len(got) != 3 {
		t.Error(ids(got), err)
	}
	var words []string
	for i := range 16 {
		words = append(words, fmt.Sprint(i, strings.Repeat("-x", 200)))
	}
	if got, err := s.Search(t.Context(), spans[:1], words, 9); err != nil || len(got) != 0 {
		t.Error(ids(got), err)
	}
}

// Many messages are indexed in several steps.
func TestIndex(t *testing.T) {
	s, _ := talk(t, 2*indexRows+1)
	steps := 0
	for more := true; more; steps++ {
		var err error
		if more, err = s.Index(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := one(t.Context(), s.read, scanInt, `SELECT count(*) FROM search_docsize`); steps != 3 || n != 2*indexRows+2 || err != nil {
		t.Errorf("%d messages after %d steps, %v", n, steps, err)
	}
}

func runStatement(t *testing.T, s *Store, query string) {
	t.Helper()
	if _, err := s.durable.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}
