package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// What a crash left in tmp is gone at the next start; what was published stays.
func TestOpenSweeps(t *testing.T) {
	w := newWorld(t)
	w.mkdir("/d")
	w.put("/d/f", "kept")
	u, err := w.box.Create("/d/f", 100)
	w.must(err)
	io.WriteString(u, "part")
	for _, dir := range []string{"8/tmp/a/b", "9/data", "notes/tmp", "08/tmp"} {
		w.must(os.MkdirAll(filepath.Join(w.dir, dir), 0o700))
	}
	outside := t.TempDir()
	kept := []string{filepath.Join(outside, "f"), filepath.Join(w.dir, "notes/tmp/f"), filepath.Join(w.dir, "08/tmp/f")}
	for _, name := range append(kept, filepath.Join(w.dir, "8/tmp/a/b/f")) {
		w.must(os.WriteFile(name, nil, 0o600))
	}
	w.must(os.Symlink(outside, filepath.Join(w.dir, "8/tmp/link")))
	w.must(os.Symlink(outside, filepath.Join(w.dir, "9/tmp")))

	// The crash: u is never ended here.
	again, err := Open(w.dir, new(memory), Options{})
	w.must(err)
	defer again.Close()
	if err := again.Tend(t.Context()); err == nil {
		t.Error("Tend says nothing of a link in place of a directory")
	}
	for _, dir := range []string{"7/tmp", "8/tmp"} {
		if left := contents(t, filepath.Join(w.dir, dir)); len(left) > 0 {
			t.Errorf("left in %s: %q", dir, left)
		}
	}
	for _, name := range kept {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	w.wantContent("/d/f", "kept")
	u.Abort()
	w.must(os.RemoveAll(filepath.Join(w.dir, "notes")))
	w.must(os.RemoveAll(filepath.Join(w.dir, "08")))
	w.must(os.RemoveAll(filepath.Join(w.dir, "9")))
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{file, filepath.Join(dir, "no", "files")} {
		if d, err := Open(bad, new(memory), Options{}); err == nil {
			d.Close()
			t.Errorf("Open(%q) succeeded", bad)
		}
	}
	good := filepath.Join(dir, "files")
	for range 2 {
		d, err := Open(good+"/", new(memory), Options{})
		if err != nil {
			t.Fatal(err)
		}
		d.Close()
	}
	if info, err := os.Stat(good); err != nil || info.Mode() != os.ModeDir|0o700 {
		t.Errorf("made %v, %v", info, err)
	}
}

func TestAccount(t *testing.T) {
	w := newWorld(t)
	w.put("/f", "seven")
	same, err := w.Account(t.Context(), 7, Groups{})
	w.must(err)
	other, err := w.Account(t.Context(), 8, Groups{})
	w.must(err)
	defer other.Close()
	if _, err := same.Stat("/f"); err != nil {
		t.Error(err)
	}
	_, err = other.Stat("/f")
	w.wantErr("Stat", err, ErrNotFound)

	// Closing one session's Box, twice even, leaves the other's alone.
	same.Close()
	same.Close()
	w.wantContent("/f", "seven")
	w.box.Close()
	_, err = w.box.Stat("/f")
	w.wantErr("Stat after Close", err, ErrNotFound)
	w.box, err = w.Account(t.Context(), 7, Groups{})
	w.must(err)
	w.wantContent("/f", "seven")
	w.box.Close()
	if len(w.trees) != 1 {
		t.Errorf("%d trees open, want 1", len(w.trees))
	}
}

// A tree that could not be made durable is not there the next time.
func TestAccountFault(t *testing.T) {
	w := newWorld(t)
	w.sys.sync = func(*os.File) error { return unix.EIO }
	_, err := w.Account(t.Context(), 8, Groups{})
	w.wantErr("Account", err, unix.EIO)
	if _, err := os.Stat(filepath.Join(w.dir, "8")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
	w.sys.sync = (*os.File).Sync
	box, err := w.Account(t.Context(), 8, Groups{})
	w.must(err)
	box.Close()
}

// An account's directories may not be links to another's.
func TestAccountForeign(t *testing.T) {
	w := newWorld(t)
	w.put("/f", "seven")
	w.must(os.Symlink("7", filepath.Join(w.dir, "8")))
	w.must(os.Mkdir(filepath.Join(w.dir, "9"), 0o700))
	w.must(os.Symlink("../7/data", filepath.Join(w.dir, "9", "data")))
	w.must(os.WriteFile(filepath.Join(w.dir, "10"), nil, 0o600))
	w.must(unix.Mkfifo(filepath.Join(w.dir, "11"), 0o600))
	for _, id := range []int64{-1, 0, 8, 9, 10, 11} {
		box, err := w.Account(t.Context(), id, Groups{})
		if err == nil {
			box.Close()
			t.Errorf("Account(%d) succeeded", id)
		}
	}
}

func TestRemoveAccount(t *testing.T) {
	w := newWorld(t)
	paths, outside := plant(w)
	other, err := w.Account(t.Context(), 8, Groups{})
	w.must(err)
	defer other.Close()
	w.must(other.Mkdir("/mine"))
	u, err := w.box.Create("/real/g", Unknown)
	w.must(err)
	f, err := w.box.Open("/real/f")
	w.must(err)
	defer f.Close()

	w.must(w.Remove(testID))
	if diff := cmp.Diff([]string{"8 d---------"}, contents(t, w.dir)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"secret -rw------- secret"}, contents(t, outside)); diff != "" {
		t.Errorf("the outside has changed:\n%s", diff)
	}
	if _, err := other.Stat("/mine"); err != nil {
		t.Error(err)
	}

	// The session that is still there finds nothing, and makes nothing.
	for _, path := range append(paths, "/", "/real", "/real/f") {
		_, err := w.box.Stat(path)
		w.wantErr("Stat "+path, err, ErrNotFound)
	}
	_, err = w.box.List("/")
	w.wantErr("List", err, ErrNotFound)
	_, err = w.box.Create("/f", 1)
	w.wantErr("Create", err, ErrNotFound)
	w.wantErr("Room", w.room(1), ErrNotFound)
	w.wantErr("Mkdir", w.box.Mkdir("/d"), ErrNotFound)
	w.wantErr("Commit", u.Commit(t.Context()), ErrNotFound)
	if b, err := io.ReadAll(f); string(b) != "real" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	w.must(w.Remove(testID))
	w.must(w.Remove(12345))
	if len(w.trees) != 1 {
		t.Errorf("%d trees, want 1", len(w.trees))
	}
}

// Sessions that go on working while their account is removed leave nothing.
func TestRemoveBusy(t *testing.T) {
	for range 10 {
		w := newWorld(t)
		var wg sync.WaitGroup
		started := make(chan struct{}, 3)
		for i := range 3 {
			box, err := w.Account(t.Context(), testID, Groups{})
			w.must(err)
			wg.Go(func() {
				defer box.Close()
				for j := 0; ; j++ {
					path := fmt.Sprintf("/%d-%d", i, j)
					err := box.Mkdir(path)
					if err == nil {
						var u *Upload
						if u, err = box.Create(path+"/f", Unknown); err == nil {
							err = u.Commit(t.Context())
						}
					}
					if j == 1 {
						started <- struct{}{}
					}
					if err != nil {
						w.wantErr("an operation", err, ErrNotFound)
						return
					}
				}
			})
		}
		for range 3 {
			<-started
		}
		w.must(w.Remove(testID))
		if left := contents(t, w.dir); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
		wg.Wait()
		if left := contents(t, w.dir); len(left) > 0 {
			t.Errorf("left afterwards: %q", left)
		}
	}
}

// A change under way ends before the tree is taken apart, and until it is gone
// nobody gets in.
func TestRemoveWaits(t *testing.T) {
	w := newWorld(t)
	u, err := w.box.Create("/f", Unknown)
	w.must(err)
	removed := make(chan error, 1)
	w.sys.replace = func(from dir, name string, to dir, newName string) error {
		go func() { removed <- w.Remove(testID) }()
		deadline := time.Now().Add(10 * time.Second)
		for w.box.tree.mu.TryRLock() { // until Remove waits for us
			w.box.tree.mu.RUnlock()
			if time.Now().After(deadline) {
				t.Error("Remove does not wait")
				break
			}
			runtime.Gosched()
		}
		return replace(from, name, to, newName)
	}
	synced := 0
	w.sys.sync = func(f *os.File) error {
		if synced++; synced == 3 { // the file, its directory, the Disk's
			_, err := w.Account(t.Context(), testID, Groups{})
			w.wantErr("Account", err, ErrNotFound)
		}
		return f.Sync()
	}
	w.must(u.Commit(t.Context()))
	w.must(<-removed)
	if left := contents(t, w.dir); len(left) > 0 || synced != 3 {
		t.Errorf("left: %q, synced %d times", left, synced)
	}
}

// Directories can be nested far deeper than a path is long, or than descriptors
// could follow. They are removed all the same.
func TestRemoveDeep(t *testing.T) {
	w := newWorld(t)
	w.sys.sync = func(*os.File) error { return nil } // only to be faster
	w.mkdir("/top")
	for range 4 {
		// What there is goes to the bottom of a new chain.
		deep := "/new" + strings.Repeat("/d", 100)
		for i := len("/new"); i <= len(deep); i += 2 {
			w.mkdir(deep[:i])
		}
		w.must(w.box.Rename("/top", deep+"/e"))
		w.must(w.box.Rename("/new", "/top"))
	}
	var limit unix.Rlimit
	w.must(unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	low := limit
	low.Cur = 128
	w.must(unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	w.must(w.Remove(testID))
	if left := contents(t, w.dir); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

func TestReconcile(t *testing.T) {
	w := newWorld(t)
	w.put("/f", "alive")
	for _, dir := range []string{"8/data/d", "8/tmp", "9", "notes", "007", "-3"} {
		w.must(os.MkdirAll(filepath.Join(w.dir, dir), 0o700))
	}
	var asked []int64
	alive := func(id int64) bool {
		asked = append(asked, id)
		return id == testID
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.wantErr("Reconcile", w.Reconcile(ctx, alive), context.Canceled)
	if len(asked) > 0 {
		t.Errorf("asked for %v after the end", asked)
	}
	w.must(w.Reconcile(t.Context(), alive))
	want := []string{"-3 d---------", "007 d---------", "7 d---------", "notes d---------"}
	if diff := cmp.Diff(want, contents(t, w.dir)); diff != "" {
		t.Error(diff)
	}
	w.wantContent("/f", "alive")
}
