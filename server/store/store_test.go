package store

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posko/server/account"
	"posko/server/hub"
)

// childRoles are what this test binary does instead of testing when it is
// started by startChild.
var childRoles = map[string]func(dir string) error{
	"hold":   holdLock,
	"commit": commitForever,
}

func TestMain(m *testing.M) {
	if role := childRoles[os.Getenv("STORE_TEST_ROLE")]; role != nil {
		if err := role(os.Getenv("STORE_TEST_DIR")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// A child is another process of this test binary.
type child struct {
	cmd *exec.Cmd
	out *bufio.Scanner
}

func startChild(t *testing.T, role, dir string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_ROLE="+role, "STORE_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd, bufio.NewScanner(out)}
	t.Cleanup(c.kill)
	return c
}

// kill ends the child by SIGKILL, if it has not been ended before.
func (c *child) kill() {
	if c.cmd.ProcessState == nil {
		c.cmd.Process.Kill()
		c.cmd.Wait()
	}
}

// t0 is a moment as the store keeps it: UTC, whole milliseconds.
var t0 = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

// newStore opens a store in a new directory and closes it after the test.
func newStore(t testing.TB) *Store {
	t.Helper()
	return openStore(t, t.TempDir())
}

func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func addAccount(t testing.TB, s *Store, name string) int64 {
	t.Helper()
	a, err := s.Accounts().AddAccount(t.Context(), account.Account{Name: name, Password: "hash of " + name, Created: t0})
	if err != nil {
		t.Fatal(err)
	}
	return a.ID
}

func commit(t testing.TB, s *Store, records ...hub.Record) {
	t.Helper()
	if err := s.Commit(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

// group is the record of a group of that name.
func group(id int64, name string) hub.RecordGroup {
	return hub.RecordGroup{ID: id, Name: name, Password: "hash of " + name, Time: t0}
}

func message(id, conversation, number, from int64, text string) hub.RecordMessage {
	return hub.RecordMessage{ID: id, Conversation: conversation, Number: number, Time: t0, Kind: hub.Text, From: from, Text: text}
}

func TestFiles(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := filepath.Join(t.TempDir(), "new", "state dir?#%41")
	s := openStore(t, dir)
	addAccount(t, s, "ani")
	want := map[string]os.FileMode{".": 0o700 | os.ModeDir, "lock": 0o600, "posko.db": 0o600, "posko.db-wal": 0o600, "posko.db-shm": 0o600}
	for name, mode := range want {
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		} else if fi.Mode() != mode {
			t.Errorf("%s has mode %v, want %v", name, fi.Mode(), mode)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("after Close there are %v, want the lock and the database alone", entries)
	}

	// What somebody made readable is closed again.
	for _, name := range []string{"posko.db", "posko.db-wal", "posko.db-shm"} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if name != "posko.db" { // SQLite itself sees to empty ones
			fmt.Fprintln(f, "left by a crash")
		}
		if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	s = openStore(t, dir)
	for _, name := range []string{"posko.db", "posko.db-wal", "posko.db-shm"} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || fi.Mode() != 0o600 {
			t.Errorf("%s has mode %v, %v", name, fi.Mode(), err)
		}
	}
	if _, err := s.Accounts().AccountByName(t.Context(), "ani"); err != nil {
		t.Error(err)
	}
}

// TestPragmas: a kill cannot show whether a commit would survive a power cut,
// so the settings that decide on it are looked at.
func TestPragmas(t *testing.T) {
	s := newStore(t)
	reader, err := s.readers.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for name, c := range map[string]struct {
		conn *sql.Conn
		want [4]any
	}{
		"durable": {s.durable.conn, [4]any{"wal", 2, 1, 0}},
		"lazy":    {s.lazy.conn, [4]any{"wal", 1, 1, 0}},
		"reader":  {reader, [4]any{"wal", 2, 1, 1}},
	} {
		for i, pragma := range []string{"journal_mode", "synchronous", "foreign_keys", "query_only"} {
			var got string
			if err := c.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != fmt.Sprint(c.want[i]) {
				t.Errorf("%s: %s = %s, %v, want %v", name, pragma, got, err, c.want[i])
			}
		}
	}
}

func TestClose(t *testing.T) {
	s := newStore(t)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("a closed store answers")
	}
	if err := s.Commit(t.Context(), []hub.Record{group(1, "dapur")}); err == nil {
		t.Error("a closed store commits")
	}
}

// holdLock is a child: it says when it has the lock, and waits to be killed.
func holdLock(dir string) error {
	if _, err := Lock(dir); err != nil {
		return err
	}
	fmt.Println("locked")
	select {}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, "hold", dir)
	if !c.out.Scan() {
		t.Fatal("the child has not got the lock")
	}
	_, err := Open(t.Context(), dir, Options{})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), strconv.Itoa(c.cmd.Process.Pid)) {
		t.Errorf("with the lock held by process %d: %v", c.cmd.Process.Pid, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "posko.db")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a database was made without the lock")
	}
	c.kill()
	s := openStore(t, dir)
	if _, err := Lock(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("with the store open: %v", err)
	}
	s.Close()
	lock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	lock.Unlock()
}

// TestFull fills the database up; nothing of a round that did not fit is left,
// and when there is room again the store goes on.
func TestFull(t *testing.T) {
	s := newStore(t)
	ani := addAccount(t, s, "ani")
	commit(t, s, hub.RecordPrivate{ID: 1, A: ani, B: ani}, message(1, 1, 1, ani, "fits"))

	setMaxPages := func(n string) {
		if _, err := s.durable.conn.ExecContext(t.Context(), "PRAGMA max_page_count = "+n); err != nil {
			t.Fatal(err)
		}
	}
	setMaxPages("1") // which SQLite takes for the present size
	round := []hub.Record{message(2, 1, 2, ani, "small"), message(3, 1, 3, ani, strings.Repeat("large", 10_000))}
	if err := s.Commit(t.Context(), round); !errors.Is(err, hub.ErrFull) {
		t.Errorf("Commit: %v, want hub.ErrFull", err)
	}
	long := account.Account{Name: "budi", Password: strings.Repeat("long", 10_000)}
	if _, err := s.Accounts().AddAccount(t.Context(), long); !errors.Is(err, account.ErrFull) {
		t.Errorf("AddAccount: %v, want account.ErrFull", err)
	}
	if got, err := s.Messages(t.Context(), []hub.Span{{Conversation: 1, Last: 9}}, 10); err != nil || len(got) != 1 {
		t.Errorf("after the full round there are %v, %v", got, err)
	}
	setMaxPages("1000000")
	commit(t, s, round...)
	addAccount(t, s, "budi")
	if got, err := s.Messages(t.Context(), []hub.Span{{Conversation: 1, Last: 9}}, 10); err != nil || len(got) != 3 {
		t.Errorf("after the repeated round there are %v, %v", got, err)
	}
}

// TestCommitFails makes the COMMIT itself fail, here by a broken reference
// that is only checked then. What is on the disk after such a failure is not
// known in general, so the store must not go on.
func TestCommitFails(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	ani := addAccount(t, s, "ani")
	if err := s.exec(t.Context(), "PRAGMA defer_foreign_keys = ON"); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), []hub.Record{message(1, 99, 1, ani, "nowhere")}); !errors.Is(err, hub.ErrInDoubt) {
		t.Errorf("a commit that failed: %v, want hub.ErrInDoubt", err)
	}
	if err := s.Commit(t.Context(), []hub.Record{group(1, "dapur")}); err == nil || errors.Is(err, hub.ErrInDoubt) {
		t.Errorf("the next commit: %v, want a plain refusal", err)
	}
	if err := s.SavePositions(t.Context(), ani, nil); err == nil {
		t.Error("the store goes on writing positions")
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("the watchdog does not hear of it")
	}
	if _, err := s.Accounts().AccountByID(t.Context(), ani); err != nil {
		t.Error("the store does not read any more:", err)
	}
	s.Close()
	commit(t, openStore(t, dir), group(1, "dapur"))
}

// TestCancel: a context that ends before a write stops it, one that ends
// during it does not.
func TestCancel(t *testing.T) {
	s := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := s.write(ctx, s.durable, func(ctx context.Context) error {
		cancel()
		return s.apply(ctx, group(1, "dapur"))
	})
	if err != nil {
		t.Error("a begun write was cut short:", err)
	}
	if err := s.Commit(ctx, []hub.Record{group(2, "kamar")}); !errors.Is(err, context.Canceled) {
		t.Error("an ended context:", err)
	}
	groups, err := s.Groups(t.Context())
	if err != nil || len(groups) != 1 || groups[0].Name != "dapur" {
		t.Error(groups, err)
	}
}

// TestReaders reads while rounds are committed: a reader sees whole rounds.
func TestReaders(t *testing.T) {
	s := newStore(t)
	ani := addAccount(t, s, "ani")
	commit(t, s, hub.RecordPrivate{ID: 1, A: ani, B: ani})
	const rounds, each = 50, 4
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() {
			for {
				got, err := s.Messages(t.Context(), []hub.Span{{Conversation: 1, Last: rounds * each}}, rounds*each)
				if err == nil && (len(got)%each != 0 || !slices.IsSortedFunc(got, func(a, b hub.Message) int { return int(a.Number - b.Number) })) {
					err = fmt.Errorf("a reader sees %d messages, a part of a round", len(got))
				}
				if err != nil || len(got) == rounds*each {
					errs <- err
					return
				}
			}
		}()
	}
	for round := range int64(rounds) {
		var records []hub.Record
		for i := range int64(each) {
			id := round*each + i + 1
			records = append(records, message(id, 1, id, ani, "halo"))
		}
		commit(t, s, records...)
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
