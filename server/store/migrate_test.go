package store

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posko/server/account"
	"posko/server/hub"
)

// runSQL changes the database of a closed store behind its back.
func runSQL(t *testing.T, dir, script string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "posko.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(script); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// schema is the text of all that is defined in a database.
func schema(t *testing.T, s *Store) []string {
	t.Helper()
	all, err := list(t.Context(), s.readers, func(r *sql.Rows) (def string, err error) { return def, r.Scan(&def) },
		"SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
	if err != nil {
		t.Fatal(err)
	}
	for i, def := range all {
		all[i] = strings.Join(strings.Fields(def), " ")
	}
	return all
}

// TestFirstSchema opens a database of schema 1: all that was in it is there,
// and it has become what a new one is.
func TestFirstSchema(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	runSQL(t, dir, readFile(t, "testdata/schema-1.sql"))
	s := openStore(t, dir)
	if diff := cmp.Diff(schema(t, newStore(t)), schema(t, s)); diff != "" {
		t.Errorf("the schema of a new database (-) and of the migrated one (+): %s", diff)
	}

	accounts, err := s.Accounts().Accounts(ctx)
	if diff := cmp.Diff([]account.Account{
		{ID: 1, Name: "Ani", Password: "hash of Ani", Admin: true, Epoch: 3, Created: t0},
		{ID: 3, Name: "Citra", Password: "hash of Citra", Disabled: true, Epoch: 2, Created: t0},
	}, accounts); err != nil || diff != "" {
		t.Error(err, diff)
	}
	groups, err := s.Groups(ctx)
	if diff := cmp.Diff([]hub.StoredGroup{{ID: 1, Name: "Dapur", Created: t0, Last: 3, Members: []hub.StoredMember{
		{Account: hub.Account{ID: 1, Name: "Ani", Admin: true}, Role: hub.Owner, Joined: t0},
		{Account: hub.Account{ID: 3, Name: "Citra"}, Role: hub.Member, Joined: t0.Add(1e6)},
	}}, {ID: 3, Name: "lama", Created: t0, Dropped: t0.Add(1e6), Members: []hub.StoredMember{
		{Account: hub.Account{ID: 1, Name: "Ani", Admin: true}, Role: hub.Owner, Joined: t0},
	}}}, groups); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if message, conversation, err := s.LastIDs(ctx); message != 4 || conversation != 3 || err != nil {
		t.Errorf("LastIDs: %d, %d, %v", message, conversation, err)
	}
	history := past(t, s, 10, hub.Span{Conversation: 1, Last: 9}, hub.Span{Conversation: 2, Last: 9})
	if diff := cmp.Diff([]hub.Message{
		{ID: 1, Conversation: 1, Number: 1, Time: t0, Kind: hub.Text, From: hub.Account{ID: 1, Name: "Ani"}, Group: "Dapur", Text: "halo"},
		{ID: 2, Conversation: 2, Number: 1, Time: t0, Kind: hub.Text, From: hub.Account{ID: 2, Name: "budi"}, To: "Ani", Text: "hai"},
		{ID: 3, Conversation: 1, Number: 2, Time: t0, Kind: hub.Text, From: hub.Account{ID: 3, Name: "Citra"}, Group: "Dapur", Text: "selamat pagi"},
	}, history); diff != "" {
		t.Error(diff)
	}
	positions, err := s.Positions(ctx, 1)
	if diff := cmp.Diff(map[int64]int64{1: 1, 2: 1}, positions); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// TestMigrate goes on to a second schema, at first by a migration that fails.
func TestMigrate(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	addAccount(t, s, "ani")
	s.Close()

	bad := append(migrations[:len(migrations):len(migrations)], "CREATE TABLE more (x INTEGER) STRICT; nonsense")
	if _, err := open(t.Context(), dir, Options{}, bad); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Fatalf("a bad migration: %v", err)
	}
	openStore(t, dir).Close() // with the first schema, since nothing was changed

	good := append(migrations[:len(migrations):len(migrations)], "CREATE TABLE more (x INTEGER) STRICT; INSERT INTO more VALUES (7)")
	for range 2 { // the second time there is nothing to migrate
		s, err := open(t.Context(), dir, Options{}, good)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := list(t.Context(), s.readers, scanInt, "SELECT x FROM more"); err != nil || len(n) != 1 || n[0] != 7 {
			t.Error(n, err)
		}
		if _, err := s.Accounts().AccountByName(t.Context(), "ani"); err != nil {
			t.Error(err)
		}
		s.Close()
	}
	if _, err := Open(t.Context(), dir, Options{}); err == nil || !strings.Contains(err.Error(), "newer posko") {
		t.Errorf("a database of a newer schema: %v", err)
	}

	// The copy is a whole database of the old schema, for its owner alone.
	kept := filepath.Join(dir, fmt.Sprintf("posko.db.before-%d", len(good)))
	if fi, err := os.Stat(kept); err != nil || fi.Mode() != 0o600 {
		t.Fatal(fi, err)
	}
	old := t.TempDir()
	if err := os.Rename(kept, filepath.Join(old, "posko.db")); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(t, old).Accounts().AccountByName(t.Context(), "ani"); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); left != nil {
		t.Errorf("left over: %v", left)
	}
}

// TestForeign: what is not posko's is refused, and stays as it was.
func TestForeign(t *testing.T) {
	for name, fill := range map[string]func(dir string){
		"database": func(dir string) { runSQL(t, dir, "CREATE TABLE t (x); INSERT INTO t VALUES (1)") },
		"text": func(dir string) {
			os.WriteFile(filepath.Join(dir, "posko.db"), []byte(strings.Repeat("no database\n", 100)), 0o600)
		},
	} {
		dir := t.TempDir()
		fill(dir)
		before := readFile(t, filepath.Join(dir, "posko.db"))
		if _, err := Open(t.Context(), dir, Options{}); err == nil {
			t.Errorf("a foreign %s was opened", name)
		}
		if after := readFile(t, filepath.Join(dir, "posko.db")); after != before {
			t.Errorf("a foreign %s was changed", name)
		}
	}
}

// TestEmpty: an empty file is what a crash at the first start leaves.
func TestEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "posko.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	addAccount(t, openStore(t, dir), "ani")
}
