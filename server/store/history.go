package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"posko/server/hub"
)

// The queries of messages. Each first finds the ids of one page in the index
// of (conversation, number), which holds them, and takes at most a page from
// any conversation, so that no query costs more than its pages.
const (
	messagesByID = `SELECT m.id, m.conversation, m.number, m.time, m.kind, sender.id, sender.name,
	coalesce(groups.name, ''), coalesce(other.name, ''), m.text
FROM messages AS m
JOIN conversations AS c ON c.id = m.conversation
JOIN accounts AS sender ON sender.id = m.sender
LEFT JOIN groups ON groups.id = m.conversation
LEFT JOIN accounts AS other ON other.id = CASE m.sender WHEN c.a THEN c.b ELSE c.a END
WHERE m.id IN (%s) ORDER BY m.id`

	newestOfSpans = `SELECT conversation, min(number) - 1, max(number) FROM messages AS page WHERE id IN (
	SELECT m.id FROM json_each(?1) AS span
	CROSS JOIN messages AS m ON m.id IN (
		SELECT id FROM messages
		WHERE conversation = span.value ->> 'Conversation'
			AND number > span.value ->> 'After' AND number <= span.value ->> 'Last'
		ORDER BY number DESC LIMIT ?2)
	ORDER BY m.id DESC LIMIT ?2)
GROUP BY conversation`

	pageOfSpans = `SELECT m.id FROM json_each(?1) AS span
CROSS JOIN messages AS m ON m.id IN (
	SELECT id FROM messages
	WHERE conversation = span.value ->> 'Conversation'
		AND number > span.value ->> 'After' AND number <= span.value ->> 'Last'
	ORDER BY number LIMIT ?2)
ORDER BY m.id LIMIT ?2`
)

var firstOfSpans = fmt.Sprintf(messagesByID, pageOfSpans)

// Newest: see hub.Store. Of each conversation they are the last ones of its span,
// so that they are a span.
func (s *Store) Newest(ctx context.Context, spans []hub.Span, limit int) ([]hub.Span, error) {
	encoded, err := json.Marshal(spans)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return list(ctx, s.read, func(r *sql.Rows) (span hub.Span, err error) {
		return span, r.Scan(&span.Conversation, &span.After, &span.Last)
	}, newestOfSpans, string(encoded), max(limit, 0)) // to SQLite, less than 0 is no limit
}

// Messages: see hub.Store.
func (s *Store) Messages(ctx context.Context, spans []hub.Span, limit int) ([]hub.Message, error) {
	encoded, err := json.Marshal(spans)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return list(ctx, s.read, scanMessage, firstOfSpans, string(encoded), max(limit, 0))
}

func scanMessage(r *sql.Rows) (m hub.Message, err error) {
	var ms int64
	err = r.Scan(&m.ID, &m.Conversation, &m.Number, &ms, &m.Kind, &m.From.ID, &m.From.Name, &m.Group, &m.To, &m.Text)
	m.Time = fromMillis(ms)
	return m, err
}
