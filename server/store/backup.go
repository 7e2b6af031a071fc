package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
)

// databaseFile is the database's name in the state directory.
const databaseFile = "posko.db"

// Copy writes the database of the state directory dir, as it is at one moment,
// to the file path, which must not be there (mode 0600). Another process may
// have the directory open and go on writing. The caller is the directory's
// owner, so that no file beside the database becomes somebody else's.
func Copy(ctx context.Context, dir, path string) (err error) {
	from, err := filepath.Abs(filepath.Join(dir, databaseFile))
	if err != nil {
		return err
	}
	if _, err := os.Stat(from); err != nil {
		return err
	}
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := to.Close(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(from, "_query_only", "on"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if version, err := schemaVersion(ctx, conn); err != nil {
		return err
	} else if version == 0 {
		return fmt.Errorf("store: %s is empty", from)
	}
	return conn.Raw(func(driver any) error {
		source, ok := driver.(interface {
			NewBackup(dst string) (*sqlite.Backup, error)
		})
		if !ok {
			return errors.New("store: the driver has no backup")
		}
		backup, err := source.NewBackup(path)
		if err != nil {
			return err
		}
		// All pages in one step are those of one moment; writers don't wait
		// for a reader of the log.
		_, err = backup.Step(-1)
		return errors.Join(err, backup.Finish())
	})
}

// Check tells what keeps a copy of the database from being used: damage, or a
// schema that this posko doesn't know.
func Check(ctx context.Context, path string) (err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(path, "mode", "ro"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	version, err := schemaVersion(ctx, conn)
	switch {
	case err != nil:
		return err
	case version == 0 || version > len(migrations):
		return fmt.Errorf("store: the database has schema %d; this posko knows 1 to %d", version, len(migrations))
	}
	var found string
	if err := conn.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return fmt.Errorf("store: the database is damaged: %s", found)
	}
	return nil
}
