package store

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posko/server/hub"
)

// talk fills two groups and a private conversation, 1, 2 and 3, in turns: the
// message with the ID i has the number (i+2)/3 in its conversation. ani takes
// part in all of them.
func talk(t *testing.T, messages int64) (s *Store, ani int64) {
	t.Helper()
	s = newStore(t)
	ani = addAccount(t, s, "ani")
	budi := addAccount(t, s, "budi")
	records := []hub.Record{
		group(1, "dapur"), hub.RecordJoin{Group: 1, Account: ani, Role: hub.Owner, Time: t0},
		group(2, "kamar"), hub.RecordJoin{Group: 2, Account: ani, Role: hub.Owner, Time: t0},
		hub.RecordPrivate{ID: 3, A: ani, B: budi},
		hub.RecordPrivate{ID: 4, A: budi, B: budi},
	}
	for id := int64(1); id <= messages; id++ {
		records = append(records, message(id, (id-1)%3+1, (id+2)/3, ani, "halo"))
	}
	records = append(records, message(messages+1, 4, 1, budi, "not for ani"))
	commit(t, s, records...)
	return s, ani
}

func ids(messages []hub.Message) []int64 {
	var all []int64
	for _, m := range messages {
		all = append(all, m.ID)
	}
	return all
}

// past returns the last limit messages of the spans.
func past(t *testing.T, s *Store, limit int, spans ...hub.Span) []hub.Message {
	t.Helper()
	newest, err := s.Newest(t.Context(), spans, limit)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := s.Messages(t.Context(), newest, limit)
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

func TestNewest(t *testing.T) {
	s, ani := talk(t, 30)
	all := []hub.Span{{Conversation: 1, Last: 10}, {Conversation: 2, Last: 10}, {Conversation: 3, Last: 10}}
	for name, test := range map[string]struct {
		spans []hub.Span
		limit int
		want  []int64
	}{
		"of all":       {all, 4, []int64{27, 28, 29, 30}},
		"of all, all":  {all, 1000, seq(1, 30)},
		"of one":       {all[:1], 3, []int64{22, 25, 28}},
		"of a part":    {[]hub.Span{{Conversation: 1, After: 7, Last: 9}, all[1]}, 3, []int64{25, 26, 29}},
		"of what ends": {[]hub.Span{{Conversation: 1, Last: 2}, {Conversation: 2, Last: 2}}, 2, []int64{4, 5}},
		"of nothing":   {[]hub.Span{{Conversation: 1, After: 2, Last: 2}}, 2, nil},
		"nowhere":      {[]hub.Span{{Conversation: 99, Last: 9}}, 4, nil},
		"none":         {nil, 4, nil},
		"nothing":      {all, 0, nil},
		"less":         {all, -1, nil},
	} {
		if diff := cmp.Diff(test.want, ids(past(t, s, test.limit, test.spans...))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	want := hub.Message{ID: 28, Conversation: 1, Number: 10, Time: t0, Kind: hub.Text, From: hub.Account{ID: ani, Name: "ani"}, Group: "dapur", Text: "halo"}
	if diff := cmp.Diff([]hub.Message{want}, past(t, s, 1, all[0])); diff != "" {
		t.Error(diff)
	}
}

func seq(from, to int64) (all []int64) {
	for i := from; i <= to; i++ {
		all = append(all, i)
	}
	return all
}

func TestMessages(t *testing.T) {
	s, _ := talk(t, 30)
	all := []hub.Span{{Conversation: 3, After: 0, Last: 10}, {Conversation: 1, After: 8, Last: 10}, {Conversation: 2, After: 0, Last: 2}}
	later := []hub.Span{{Conversation: 3, After: 1, Last: 10}, {Conversation: 1, After: 8, Last: 10}}
	for name, test := range map[string]struct {
		spans []hub.Span
		limit int
		want  []int64
	}{
		"all":          {all, 1000, []int64{2, 3, 5, 6, 9, 12, 15, 18, 21, 24, 25, 27, 28, 30}},
		"the first":    {all, 3, []int64{2, 3, 5}},
		"later ones":   {later, 4, []int64{6, 9, 12, 15}},
		"the last one": {[]hub.Span{{Conversation: 3, After: 9, Last: 10}}, 4, []int64{30}},
		"none":         {nil, 4, nil},
		"less":         {all, -1, nil},
	} {
		got, err := s.Messages(t.Context(), test.spans, test.limit)
		if diff := cmp.Diff(test.want, ids(got)); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

// TestPlans: no query walks through a whole table, and messages are taken from
// the index in its order, never sorted before they are limited.
func TestPlans(t *testing.T) {
	s, _ := talk(t, 30)
	type step struct {
		id, parent, unused int64
		detail             string
	}
	for name, query := range map[string]string{
		"newestOfSpans": newestOfSpans,
		"firstOfSpans":  firstOfSpans,
		"savePosition":  savePosition,
	} {
		plan, err := list(t.Context(), s.durable, func(r *sql.Rows) (p step, err error) {
			return p, r.Scan(&p.id, &p.parent, &p.unused, &p.detail)
		}, "EXPLAIN QUERY PLAN "+query, 1, "[]", 3, 4)
		if err != nil {
			t.Fatal(err)
		}
		searches := map[int64]bool{} // the subqueries that search messages
		for _, p := range plan {
			if strings.HasPrefix(p.detail, "SEARCH messages") {
				searches[p.parent] = true
			}
		}
		for _, p := range plan {
			scan := strings.HasPrefix(p.detail, "SCAN ") && !strings.HasPrefix(p.detail, "SCAN CONSTANT ROW") && !strings.HasPrefix(p.detail, "SCAN span")
			if scan || strings.Contains(p.detail, "TEMP B-TREE") && searches[p.parent] {
				t.Errorf("%s: %s", name, p.detail)
			}
		}
		if len(searches) == 0 && name != "savePosition" {
			t.Errorf("%s searches no messages: %v", name, plan)
		}
	}
}
