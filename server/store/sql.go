package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A conn is a connection that writes.
type conn struct {
	db   *sql.DB
	conn *sql.Conn
	*prepared
}

// openConn connects to the database at path, with the given value of the
// pragma synchronous: FULL syncs the log at every commit, NORMAL does not.
func openConn(ctx context.Context, path, synchronous string) (*conn, error) {
	db, err := sql.Open("sqlite", dsn(path, "_synchronous", synchronous))
	if err != nil {
		return nil, err
	}
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &conn{db, c, &prepared{on: c}}, nil
}

func (c *conn) close() error { return errors.Join(c.prepared.close(), c.conn.Close(), c.db.Close()) }

// write runs do in a transaction of its own on c, which is s.durable or
// s.lazy. Once begun it is not cut short: a context that ends is only looked
// at before. An error means that nothing was changed, unless it is inDoubt: then
// nobody knows what is on the disk, be it of this transaction or of what would
// follow it in the log (the kernel tells of a failed sync once and then forgets,
// fsync(2)), and the store takes no more writes until it is opened again.
func (s *Store) write(ctx context.Context, c *conn, do func(ctx context.Context) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.usable(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	err := transact(ctx, c, func() error { return do(ctx) })
	if inDoubt(err) {
		s.broken.Store(&err)
	}
	return err
}

// usable is nil unless a commit has failed, see write.
func (s *Store) usable() error {
	if cause := s.broken.Load(); cause != nil {
		// Not %w: what is refused from now on is not in doubt itself.
		return fmt.Errorf("store: nothing is written until a restart, since an earlier change is in doubt: %v", *cause)
	}
	return nil
}

// A commitError says that it was the commit that failed.
type commitError struct{ err error }

func (e *commitError) Error() string { return "store: commit: " + e.err.Error() }
func (e *commitError) Unwrap() error { return e.err }

// inDoubt tells whether err leaves open what is on the disk. A full disk does
// not: the log's last frame, which is what makes a commit, was not written.
func inDoubt(err error) bool {
	_, ok := errors.AsType[*commitError](err)
	return ok && !isFull(err)
}

// transact runs do between BEGIN IMMEDIATE and COMMIT, or ROLLBACK if it fails.
func transact(ctx context.Context, c execer, do func() error) error {
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	open := true
	defer func() {
		if open {
			// After some errors SQLite has rolled back by itself and this fails.
			c.ExecContext(ctx, "ROLLBACK")
		}
	}()
	if err := do(); err != nil {
		return err
	}
	if _, err := c.ExecContext(ctx, "COMMIT"); err != nil {
		return &commitError{err}
	}
	open = false
	return nil
}

// full returns err, which is also errFull if it says that the disk is full.
func full(err, errFull error) error {
	if isFull(err) {
		return fmt.Errorf("%w: %w", errFull, err)
	}
	return err
}

// isFull tells whether err says that the disk is full. SQLite has a code for
// it, but another one where it was the index of the log that could not grow.
func isFull(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == sqlite3.SQLITE_FULL || e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE)
}

type (
	preparer interface {
		PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	}
	execer interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	}
	queryer interface {
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
)

// prepared runs statements on a connection or a pool, preparing each only once.
// The statements are constants, so there are never many.
type prepared struct {
	on preparer

	mu    sync.Mutex
	stmts map[string]*sql.Stmt
}

func (p *prepared) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if stmt := p.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := p.on.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if p.stmts == nil {
		p.stmts = make(map[string]*sql.Stmt)
	}
	p.stmts[query] = stmt
	return stmt, nil
}

func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := p.stmt(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	res, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return res, nil
}

func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := p.stmt(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return rows, nil
}

func (p *prepared) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, stmt := range p.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}

// changed runs a statement and tells whether it changed a row.
func changed(ctx context.Context, e execer, query string, args ...any) (bool, error) {
	res, err := e.ExecContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// list returns all rows of a query.
func list[T any](ctx context.Context, q queryer, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return all, nil
}

// one returns the first row of a query, or sql.ErrNoRows.
func one[T any](ctx context.Context, q queryer, scan func(*sql.Rows) (T, error), query string, args ...any) (T, error) {
	all, err := list(ctx, q, scan, query, args...)
	if err == nil && len(all) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		var none T
		return none, err
	}
	return all[0], nil
}

func scanInt(r *sql.Rows) (n int64, err error) { return n, r.Scan(&n) }
