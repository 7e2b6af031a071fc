package sandbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sum is the SHA-256 of the file at path, as Sum tells it.
func (w *world) sum(path string) string {
	w.Helper()
	sum, err := w.box.Sum(w.Context(), path, func() {})
	if err != nil {
		w.Errorf("Sum(%q): %v", path, err)
	}
	return string(sum)
}

func sumOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return string(sum[:])
}

// A sum is remembered as long as the file is the same, and no longer.
func TestSum(t *testing.T) {
	w := newWorld(t)
	one, two := strings.Repeat("1", rememberFrom), strings.Repeat("2", rememberFrom)
	w.put("/f", one)
	if w.sum("/f") != sumOf(one) {
		t.Error("a wrong sum")
	}
	for stamp := range w.store.(*memory).sums {
		w.store.(*memory).sums[stamp] = []byte("remembered")
	}
	if got := w.sum("/f"); got != "remembered" {
		t.Errorf("computed again: %q", got)
	}
	for what, change := range map[string]func(){
		"replaced": func() { w.put("/f", two) },
		"in place": func() { w.must(os.WriteFile(filepath.Join(w.data, "f"), []byte(two), 0o600)) },
		"its time": func() { _, err := w.box.SetModTime("/f", time.Unix(1, 0)); w.must(err) },
	} {
		change()
		if got, want := w.sum("/f"), sumOf(w.get("/f")); got != want {
			t.Errorf("%s: a wrong sum", what)
		}
	}
	w.put("/small", "x")
	if w.sum("/small") != sumOf("x") {
		t.Error("a wrong sum of a small file")
	}
}

// One file of a root is hashed at a time, and whoever waits hears of it and may
// leave. Another root does not wait.
func TestSumWaits(t *testing.T) {
	w := newWorld(t)
	w.put("/f", "one")
	other, err := w.Account(t.Context(), 8, Groups{})
	w.must(err)
	defer other.Close()
	u, err := other.Create("/g", 3)
	w.must(err)
	u.Write([]byte("two"))
	w.must(u.Commit(t.Context()))

	w.box.tree.hashing <- struct{}{} // somebody is at it
	if sum, err := other.Sum(t.Context(), "/g", func() {}); string(sum) != sumOf("two") || err != nil {
		t.Errorf("Sum of another root: %x, %v", sum, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := w.box.Sum(ctx, "/f", cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("Sum of one who leaves: %v", err)
	}
	<-w.box.tree.hashing
	if w.sum("/f") != sumOf("one") {
		t.Error("a wrong sum afterwards")
	}
}

func TestSetModTime(t *testing.T) {
	w := newWorld(t)
	w.mkdir("/d")
	w.put("/f", "one")
	at := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	e, err := w.box.SetModTime("/f", at)
	w.must(err)
	if !e.ModTime.Equal(at) || e.Name != "f" {
		t.Errorf("got %+v", e)
	}
	link := filepath.Join(w.data, "link")
	outside := filepath.Join(t.TempDir(), "outside")
	w.must(os.WriteFile(outside, nil, 0o600))
	w.must(os.Symlink(outside, link))
	for path, want := range map[string]error{
		"/": ErrIsDir, "/d": ErrIsDir, "/f/": ErrNotDir, "/f/g": ErrNotDir, "/no": ErrNotFound, "/link": ErrNotFound, "/grup/f": ErrDenied,
	} {
		_, err := w.box.SetModTime(path, at)
		w.wantErr("SetModTime "+path, err, want)
	}
	if info, err := os.Stat(outside); err != nil || info.ModTime().Equal(at) {
		t.Errorf("the outside has changed: %v, %v", info, err)
	}
	w.grant(Terms{AddOnly, Default, Default})
	_, err = w.box.SetModTime("/f", at)
	w.wantErr("SetModTime of one who may only add", err, ErrDenied)
	w.sys.sync = func(*os.File) error { return os.ErrInvalid }
	w.grant(Terms{FullAccess, Default, Default})
	_, err = w.box.SetModTime("/f", at)
	w.wantErr("SetModTime", err, ErrUncertain)
}
