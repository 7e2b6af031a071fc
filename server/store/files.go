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

// Sum: see sandbox.Store.
func (s *Store) Sum(ctx context.Context, of sandbox.Stamp) ([]byte, error) {
	sum, err := one(ctx, s.read, func(r *sql.Rows) (sum []byte, err error) { return sum, r.Scan(&sum) },
		`SELECT sum FROM sums WHERE inode = ? AND size = ? AND modified = ? AND changed = ?`,
		of.Inode, of.Size, of.Modified, of.Changed)
	return sum, noRows(err, nil)
}

// SaveSum: see sandbox.Store. It is on the disk with the next durable commit at
// the latest.
func (s *Store) SaveSum(ctx context.Context, of sandbox.Stamp, sum []byte) error {
	err := s.write(ctx, s.lazy, func(ctx context.Context) error {
		_, err := s.lazy.ExecContext(ctx, `INSERT OR REPLACE INTO sums (inode, size, modified, changed, sum)
VALUES (?, ?, ?, ?, ?)`, of.Inode, of.Size, of.Modified, of.Changed, sum)
		return err
	})
	return full(err, sandbox.ErrNoSpace)
}
