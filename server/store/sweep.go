package store

import (
	"context"
	"database/sql"
	"time"

	"posko/server/hub"
)

// sweepRows is how many rows are deleted at a time: a round that comes meanwhile
// waits for no more.
const sweepRows = 200

// sweep runs a query that deletes at most so many rows as its last argument says,
// and tells whether there were any.
func (s *Store) sweep(ctx context.Context, query string, args ...any) (more bool, err error) {
	args = append(args, sweepRows)
	err = s.write(ctx, s.lazy, func(ctx context.Context) (err error) {
		more, err = changed(ctx, s.lazy, query, args...)
		return err
	})
	return more, full(err, hub.ErrFull)
}

// Sweep: see hub.Store.
func (s *Store) Sweep(ctx context.Context, conversation, number int64) (more bool, err error) {
	return s.sweep(ctx, `DELETE FROM messages WHERE id IN (
	SELECT id FROM messages WHERE conversation = ? AND number <= ? ORDER BY number LIMIT ?)`, conversation, number)
}

// Aged: see hub.Store.
func (s *Store) Aged(ctx context.Context, conversation, after int64, before time.Time, limit int) (number int64, next time.Time, err error) {
	type sent struct{ number, ms int64 }
	page, err := list(ctx, s.read, func(r *sql.Rows) (m sent, err error) { return m, r.Scan(&m.number, &m.ms) },
		`SELECT number, time FROM messages WHERE conversation = ? AND number > ? ORDER BY number LIMIT ?`,
		conversation, after, limit)
	if err != nil {
		return 0, time.Time{}, err
	}
	for _, m := range page {
		if at := fromMillis(m.ms); !at.Before(before) {
			return after, at, nil
		}
		after = m.number
	}
	return after, time.Time{}, nil
}
