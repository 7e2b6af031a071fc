package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// applicationID marks a file as posko's: "posk" in ASCII. It is in the file's
// header (https://www.sqlite.org/fileformat.html), for file(1) as for us.
const applicationID = 0x706f736b

//go:embed migrations
var migrationFiles embed.FS

// migrations lead from each schema to the next: migrations/1.sql makes the
// first, and so on. The number of a schema, which is in the header's
// user_version, is how many of them have been applied.
var migrations = readMigrations(migrationFiles)

func readMigrations(files fs.FS) []string {
	var all []string
	for {
		script, err := fs.ReadFile(files, fmt.Sprintf("migrations/%d.sql", len(all)+1))
		if errors.Is(err, fs.ErrNotExist) {
			return all
		}
		if err != nil {
			panic(err) // embedded, so it can be read
		}
		all = append(all, string(script))
	}
}

// migrate brings the database at path to the newest schema. A migration and
// the number of its schema are committed together, so that a crash leaves one
// schema or the next. An existing database is copied beside itself before the
// first one; the copy is left for the administrator to delete.
func migrate(ctx context.Context, conn *sql.Conn, path string, migrations []string, log *slog.Logger) error {
	version, err := schemaVersion(ctx, conn)
	switch {
	case err != nil:
		return err
	case version > len(migrations):
		return fmt.Errorf("the database has schema %d, of a newer posko; this one knows up to %d", version, len(migrations))
	case version > 0 && version < len(migrations):
		kept := fmt.Sprintf("%s.before-%d", path, version+1)
		if err := copyTo(ctx, conn, kept); err != nil {
			return fmt.Errorf("copying the database before its migration: %w", err)
		}
		log.Info("migrating the database", "from", version, "to", len(migrations), "copy", kept)
	}
	for version < len(migrations) {
		step := fmt.Sprintf("%s; PRAGMA application_id = %d; PRAGMA user_version = %d",
			migrations[version], applicationID, version+1)
		if err := transact(ctx, conn, func() error {
			_, err := conn.ExecContext(ctx, step)
			return err
		}); err != nil {
			return fmt.Errorf("migrating the database to schema %d: %w", version+1, err)
		}
		version++
	}
	return nil
}

// schemaVersion is the number of the database's schema, or 0 if it is empty,
// as a crash right after its creation leaves it.
func schemaVersion(ctx context.Context, conn *sql.Conn) (int, error) {
	var id, version, objects int
	err := conn.QueryRowContext(ctx, `SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
FROM pragma_application_id, pragma_user_version`).Scan(&id, &version, &objects)
	if err != nil {
		return 0, err
	}
	if id != applicationID && (id != 0 || version != 0 || objects != 0) {
		return 0, errors.New("the database is not posko's")
	}
	return version, nil
}

// copyTo leaves a copy of the whole database under the name kept, or nothing.
func copyTo(ctx context.Context, conn *sql.Conn, kept string) (err error) {
	unfinished := kept + ".tmp"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(unfinished)
		}
	}()
	// VACUUM INTO accepts a file that is there but empty, and keeps its mode.
	if err := makePrivate(unfinished); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "VACUUM INTO ?", unfinished); err != nil {
		return err
	}
	if err := syncPath(unfinished); err != nil {
		return err
	}
	if err := os.Rename(unfinished, kept); err != nil {
		return err
	}
	return syncPath(filepath.Dir(kept))
}

// makePrivate makes an empty file if there is none, and lets nobody but the
// owner read it, whatever the umask is and whatever was allowed before.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Chmod(0o600)
}
