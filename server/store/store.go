// Package store keeps what must last in one SQLite database: accounts, groups,
// messages and read positions. It owns the state directory's lock, the schema
// and its migrations, and it is the only package that knows SQL. It implements
// what hub, account and sandbox each declare as their Store, and knows none of their
// rules.
//
// There is one writer at a time, behind a mutex; readers never wait for it
// (https://www.sqlite.org/wal.html).
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"

	"posko/server/account"
	"posko/server/hub"
	"posko/server/sandbox"
)

var (
	_ hub.Store     = (*Store)(nil)
	_ sandbox.Store = (*Store)(nil)
	_ account.Store = Accounts{}
)

// Options are what Open may be told; the zero value is good.
type Options struct {
	// Log hears of migrations; nil for nobody.
	Log *slog.Logger
	// Prepare is called with the state directory's lock held, before anything
	// in it is opened. It may be nil.
	Prepare func(dir string) error
}

// A Store is an open database. It is a hub.Store and a sandbox.Store, and Accounts makes an
// account.Store of it. Its methods may be called from any goroutine.
type Store struct {
	lock *DirLock

	mu      sync.Mutex // one transaction that writes at a time
	durable *conn      // its commits are on the disk when they return
	lazy    *conn      // its commits are in order with the others, and on the disk with the next of them

	broken atomic.Pointer[error] // why no write is accepted any more, see write

	readers *sql.DB
	read    *prepared
}

// Open takes the lock of the state directory dir and opens its database,
// posko.db, both of which it makes if they are not there. The error wraps
// ErrInUse if another process has the directory. The context is for opening
// alone.
func Open(ctx context.Context, dir string, opts Options) (*Store, error) {
	return open(ctx, dir, opts, migrations)
}

func open(ctx context.Context, dir string, opts Options, migrations []string) (_ *Store, err error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	lock, err := Lock(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{lock: lock}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("store: opening %s: %w", dir, err), s.Close())
		}
	}()

	if opts.Prepare != nil {
		if err := opts.Prepare(dir); err != nil {
			return nil, err
		}
	}

	// An absolute path has no host part to be mistaken for in a URI.
	path, err := filepath.Abs(filepath.Join(dir, databaseFile))
	if err != nil {
		return nil, err
	}
	// SQLite gives the files beside the database the database's own mode. From
	// here on nobody may open and close these files but SQLite, or the process
	// would lose its locks on them (https://www.sqlite.org/howtocorrupt.html).
	if err := makePrivate(path); err != nil {
		return nil, err
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Chmod(path+suffix, 0o600); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	// fdatasync is as durable and spares the journal of the file system; SQLite
	// calls it wherever its own build finds it.
	if _, err := sqlite.Fdatasync(true); err != nil {
		return nil, err
	}

	if s.durable, err = openConn(ctx, path, "FULL"); err != nil {
		return nil, err
	}
	if _, err := schemaVersion(ctx, s.durable.conn); err != nil { // before anything is changed
		return nil, err
	}
	var mode string
	if err := s.durable.conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return nil, err
	}
	if mode != "wal" {
		return nil, fmt.Errorf("the file system does not allow a write-ahead log (journal mode %s)", mode)
	}
	if err := migrate(ctx, s.durable.conn, path, migrations, opts.Log); err != nil {
		return nil, err
	}
	if s.lazy, err = openConn(ctx, path, "NORMAL"); err != nil {
		return nil, err
	}

	// As many readers as can run at once, and one for a slow disk.
	n := runtime.GOMAXPROCS(0) + 1
	if s.readers, err = sql.Open("sqlite", dsn(path, "_query_only", "on")); err != nil {
		return nil, err
	}
	s.readers.SetMaxOpenConns(n)
	s.readers.SetMaxIdleConns(n)
	s.read = &prepared{on: s.readers}
	return s, nil
}

// dsn names the database at path for the driver, with one more parameter.
func dsn(path, key, value string) string {
	q := url.Values{
		// For an administrator's sqlite3 beside us: among ourselves nobody waits.
		"_busy_timeout": {"5000"},
		"_foreign_keys": {"on"},
		"_dqs":          {"0"}, // "x" is a column, never a string
		key:             {value},
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	return u.String()
}

// Close writes the log back into the database, closes it and gives the lock
// back. What still runs is waited for; what comes later fails.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	// The last connection to be closed is the one that writes the log back.
	for _, c := range []*conn{s.lazy, s.durable} {
		if c != nil {
			errs = append(errs, c.close())
		}
	}
	return errors.Join(append(errs, s.lock.Unlock())...)
}

// Ping tells whether the database answers: nil if it can be read, and nothing
// has happened that only a restart can mend. It is for a watchdog.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.usable(); err != nil {
		return err
	}
	_, err := one(ctx, s.read, scanInt, "SELECT count(*) FROM (SELECT 1 FROM accounts LIMIT 1)")
	return err
}
