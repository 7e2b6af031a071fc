package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"posko/server/hub"
)

// indexRows is how many messages are indexed at a time: a round that comes
// meanwhile waits for no more.
const indexRows = 500

// Messages are indexed in the order of their ids, and the index knows the last
// one: if that was deleted, so was what lies between it and the one before.
const indexMore = `INSERT INTO search (rowid, place, text)
SELECT id, conversation, text FROM messages
WHERE id > (SELECT coalesce(max(id), 0) FROM search_docsize) ORDER BY id LIMIT ?`

// Index: see hub.Store.
func (s *Store) Index(ctx context.Context) (more bool, err error) {
	err = s.write(ctx, s.lazy, func(ctx context.Context) error {
		res, err := s.lazy.ExecContext(ctx, indexMore, indexRows)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		more = n == indexRows // or there would always be more on a busy server
		return err
	})
	return more, full(err, hub.ErrFull)
}

const (
	searchIDs = `SELECT m.id, m.conversation, m.number FROM search CROSS JOIN messages AS m ON m.id = search.rowid
WHERE search MATCH ? ORDER BY search.rowid DESC`

	pageOfIDs = `SELECT value FROM json_each(?)`
)

var messagesOfIDs = fmt.Sprintf(messagesByID, pageOfIDs)

// Search: see hub.Store.
func (s *Store) Search(ctx context.Context, spans []hub.Span, words []string, limit int) ([]hub.Message, error) {
	if len(spans) == 0 {
		return nil, nil
	}
	ids, err := s.find(ctx, spans, words, limit)
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(ids)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return list(ctx, s.read, scanMessage, messagesOfIDs, string(encoded))
}

// find returns the ids of the last messages that match.
func (s *Store) find(ctx context.Context, spans []hub.Span, words []string, limit int) (ids []int64, _ error) {
	readable := make(map[int64]hub.Span, len(spans))
	places := make([]string, len(spans))
	for i, span := range spans {
		readable[span.Conversation] = span
		places[i] = strconv.FormatInt(span.Conversation, 10)
	}
	match := "text : (" + phrases(words, " ") + ") AND place : (" + phrases(places, " OR ") + ")"
	rows, err := s.read.QueryContext(ctx, searchIDs, match)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for len(ids) < limit && rows.Next() {
		var id, conversation, number int64
		if err := rows.Scan(&id, &conversation, &number); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		if span := readable[conversation]; span.After < number && number <= span.Last {
			ids = append(ids, id)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return ids, nil
}

// phrases quotes words, so that nothing in them means anything to FTS5 (its
// documentation, section 3.1).
func phrases(words []string, between string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = `"` + strings.ReplaceAll(word, `"`, `""`) + `"`
	}
	return strings.Join(quoted, between)
}
