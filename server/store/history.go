package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"

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

	pageBefore = `SELECT id FROM messages WHERE conversation = ?1 AND number < ?2 AND number > ?4
ORDER BY number DESC LIMIT ?3`

	pageAfter = `SELECT id FROM messages WHERE conversation = ?1 AND number > max(?2, ?4)
ORDER BY number LIMIT ?3`

	pageOfAll = `SELECT m.id FROM (
	SELECT conversation AS id, since * history_joined AS hidden FROM members JOIN groups ON groups.id = conversation
	WHERE account = ?1 AND dropped IS NULL
	UNION ALL SELECT id, 0 FROM conversations WHERE a = ?1 OR b = ?1) AS part
CROSS JOIN messages AS m ON m.id IN (
	SELECT id FROM messages WHERE conversation = part.id AND number > part.hidden ORDER BY number DESC LIMIT ?2)
ORDER BY m.id DESC LIMIT ?2`

	pageOfSpans = `SELECT m.id FROM json_each(?1) AS span
CROSS JOIN messages AS m ON m.id IN (
	SELECT id FROM messages
	WHERE conversation = span.value ->> 'Conversation'
		AND number > span.value ->> 'After' AND number <= span.value ->> 'Last'
	ORDER BY number LIMIT ?2)
ORDER BY m.id LIMIT ?2`
)

var (
	historyBefore = fmt.Sprintf(messagesByID, pageBefore)
	historyAfter  = fmt.Sprintf(messagesByID, pageAfter)
	historyOfAll  = fmt.Sprintf(messagesByID, pageOfAll)
	firstOfSpans  = fmt.Sprintf(messagesByID, pageOfSpans)
)

// History: see hub.Store. For Conversation 0 the page is always the newest.
func (s *Store) History(ctx context.Context, page hub.Page) ([]hub.Message, error) {
	limit := max(page.Limit, 0) // to SQLite, less than 0 is no limit
	if page.Conversation == 0 {
		return list(ctx, s.read, scanMessage, historyOfAll, page.Of, limit)
	}
	switch page.Side {
	case hub.Before:
		return list(ctx, s.read, scanMessage, historyBefore, page.Conversation, page.Number, limit, page.Hidden)
	case hub.After:
		return list(ctx, s.read, scanMessage, historyAfter, page.Conversation, page.Number, limit, page.Hidden)
	default:
		return list(ctx, s.read, scanMessage, historyBefore, page.Conversation, int64(math.MaxInt64), limit, page.Hidden)
	}
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
