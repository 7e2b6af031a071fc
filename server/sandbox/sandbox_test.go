package sandbox

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// world is a Disk in a directory of its own, with one account and a Box on it.
type world struct {
	*testing.T
	*Disk
	box  *Box
	dir  string // the Disk's
	data string // the account's, as the administrator sees it
}

const testID = 7

// memory is a Store. The zero value has everybody's first terms.
type memory struct {
	sums  map[Stamp][]byte
	mu    sync.Mutex
	terms map[int64]Terms
}

func (m *memory) Terms(_ context.Context, id int64) (Terms, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t, ok := m.terms[id]; ok {
		return t, nil
	}
	return Terms{FullAccess, Default, Default}, nil
}

func (m *memory) SetTerms(_ context.Context, id int64, t Terms) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.terms == nil {
		m.terms = map[int64]Terms{}
	}
	m.terms[id] = t
	return nil
}

func (m *memory) Sum(_ context.Context, of Stamp) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sums[of], nil
}

func (m *memory) SaveSum(_ context.Context, of Stamp, sum []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sums == nil {
		m.sums = map[Stamp][]byte{}
	}
	m.sums[of] = sum
	return nil
}

// newWorld also demands that the test leaves no descriptor open and no
// temporary file behind.
func newWorld(t *testing.T) *world {
	t.Helper()
	before := descriptors(t)
	dir := filepath.Join(t.TempDir(), "files")
	disk, err := Open(dir, new(memory), Options{})
	if err != nil {
		t.Fatal(err)
	}
	box, err := disk.Account(t.Context(), testID, Groups{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t, disk, box, dir, filepath.Join(dir, "7", "data")}
	t.Cleanup(func() {
		box.Close()
		disk.Close()
		if after := descriptors(t); !slices.Equal(before, after) {
			t.Errorf("descriptors before %q, after %q", before, after)
		}
		if left := w.temporaries(); len(left) > 0 {
			t.Errorf("left in tmp: %q", left)
		}
	})
	return w
}

// descriptors returns what this process has open, without the one it takes to look.
func descriptors(t *testing.T) []string {
	t.Helper()
	var all []string
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if to, err := os.Readlink(name); err == nil && strings.HasPrefix(to, "/") {
			all = append(all, to)
		}
	}
	return all
}

func (w *world) temporaries() []string {
	names, _ := filepath.Glob(filepath.Join(w.dir, "*", "tmp", "*"))
	return names
}

// put uploads content to path.
func (w *world) put(path, content string) {
	w.Helper()
	u, err := w.box.Create(path, int64(len(content)))
	if err != nil {
		w.Fatal(err)
	}
	if _, err := io.WriteString(u, content); err != nil {
		w.Fatal(err)
	}
	if err := u.Commit(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func (w *world) mkdir(path string) {
	w.Helper()
	if err := w.box.Mkdir(path); err != nil {
		w.Fatal(err)
	}
}

// get returns the content of the file at path, or the name of the error.
func (w *world) get(path string) string {
	f, err := w.box.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// wantContent demands that the file at path holds content.
func (w *world) wantContent(path, content string) {
	w.Helper()
	if got := w.get(path); got != content {
		w.Errorf("%s holds %q, want %q", path, got, content)
	}
}

// wantList demands exactly these names in the directory at path.
func (w *world) wantList(path string, want ...string) {
	w.Helper()
	l, err := w.box.List(path)
	if err != nil {
		w.Errorf("List(%q): %v", path, err)
		return
	}
	defer l.Close()
	var got []string
	for e, err := range l.All() {
		if err != nil {
			w.Errorf("List(%q): %v", path, err)
		}
		got = append(got, e.Name)
	}
	if !slices.Equal(got, want) || l.Len() != len(want) {
		w.Errorf("List(%q) = %q, want %q", path, got, want)
	}
}

// wantErr demands that err is want, and nothing but it where a client is told.
func (w *world) wantErr(what string, err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Errorf("%s: %v, want %v", what, err, want)
	}
}

// must is for what the administrator does by hand.
func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}
