package store

import (
	"fmt"
	"testing"
	"time"

	"posko/server/hub"
)

// BenchmarkCommit measures a round of so many messages of 64 bytes.
func BenchmarkCommit(b *testing.B) {
	for _, rows := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			s := newStore(b)
			ani := addAccount(b, s, "ani")
			commit(b, s, hub.RecordPrivate{ID: 1, A: ani, B: ani})
			text := fmt.Sprintf("%064d", 0)
			records := make([]hub.Record, rows)
			id := int64(0)
			for b.Loop() {
				for i := range records {
					id++
					records[i] = hub.RecordMessage{ID: id, Conversation: 1, Number: id, Time: time.Now(), Kind: hub.Text, From: ani, Text: text}
				}
				commit(b, s, records...)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(id), "µs/row")
		})
	}
}

// BenchmarkMessages measures a page of one of 50 conversations' many messages.
func BenchmarkMessages(b *testing.B) {
	s := newStore(b)
	ani := addAccount(b, s, "ani")
	var spans []hub.Span
	var id int64
	for c := int64(1); c <= 50; c++ {
		budi := addAccount(b, s, fmt.Sprintf("budi%d", c))
		records := []hub.Record{hub.RecordPrivate{ID: c, A: ani, B: budi}}
		for number := int64(1); number <= 1000; number++ {
			id++
			records = append(records, hub.RecordMessage{ID: id, Conversation: c, Number: number, Time: time.Now(), Kind: hub.Text, From: budi, Text: "halo"})
		}
		commit(b, s, records...)
		spans = append(spans, hub.Span{Conversation: c, After: 500, Last: 1000})
	}
	for b.Loop() {
		if got, err := s.Messages(b.Context(), spans, 100); err != nil || len(got) != 100 {
			b.Fatal(len(got), err)
		}
	}
}
