package store

import (
	"context"
	"database/sql"

	"posko/server/sandbox"
)

// Terms: see sandbox.Store.
func (s *Store) Terms(ctx context.Context, id int64) (sandbox.Terms, error) {
	t, err := one(ctx, s.read, func(r *sql.Rows) (t sandbox.Terms, err error) {
		return t, r.Scan(&t.Access, &t.Quota, &t.Rate)
	}, `SELECT files_access, files_quota, files_rate FROM accounts WHERE id = ? AND deleted IS NULL`, id)
	return t, noRows(err, sandbox.ErrNotFound)
}

// SetTerms: see sandbox.Store.
func (s *Store) SetTerms(ctx context.Context, id int64, t sandbox.Terms) error {
	err := s.write(ctx, s.durable, func(ctx context.Context) error {
		found, err := changed(ctx, s.durable, `UPDATE accounts SET files_access = ?, files_quota = ?, files_rate = ?
WHERE id = ? AND deleted IS NULL`, t.Access, t.Quota, t.Rate, id)
		if err == nil && !found {
			err = sandbox.ErrNotFound
		}
		return err
	})
	return full(err, sandbox.ErrNoSpace)
}
