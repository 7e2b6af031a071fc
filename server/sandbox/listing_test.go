package sandbox

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestLargeListing lists more than is held in memory, sorted and whole, and
// leaves nothing behind.
func TestLargeListing(t *testing.T) {
	w := newWorld(t)
	const n = 5*heldEntries + 17
	data := filepath.Join(w.dir, "7", "data")
	var want []string
	for _, i := range rand.Perm(n) {
		name := fmt.Sprintf("%05d%s", i, strings.Repeat("n", 200))
		w.must(os.WriteFile(filepath.Join(data, name), nil, 0o600))
		want = append(want, name)
	}
	slices.Sort(want)
	before := liveHeap()
	l, err := w.box.List("/")
	if err != nil {
		t.Fatal(err)
	}
	if grown := int64(liveHeap() - before); grown > 1<<20 { // the names alone are 4 MiB
		t.Errorf("a listing of %d entries holds %d KiB", n, grown>>10)
	}
	if l.Len() != n {
		t.Errorf("%d entries, want %d", l.Len(), n)
	}
	i := 0
	for e, err := range l.All() {
		if err != nil || e.Name != want[i] || e.Dir || e.Size != 0 || e.ModTime.IsZero() {
			t.Fatalf("entry %d is %v, %v", i, e, err)
		}
		i++
	}
	if i != n {
		t.Errorf("%d entries were listed", i)
	}
	if left, err := os.ReadDir(filepath.Join(w.dir, "7", "tmp")); err != nil || len(left) > 0 {
		t.Errorf("%v was left, %v", left, err)
	}
	w.must(l.Close())
	for _, err := range l.All() {
		if err == nil {
			t.Error("a closed listing goes on")
		}
		break
	}
}

// A full disk is called what it is, wherever the sorter meets it.
func TestSorterFull(t *testing.T) {
	for n := range 3 {
		made := 0
		s := &sorter{scratch: func() (*os.File, error) {
			if made++; made <= n {
				return os.CreateTemp(t.TempDir(), "")
			}
			return os.OpenFile("/dev/full", os.O_RDWR, 0)
		}}
		var err error
		for i := 0; i < heldEntries+1 && err == nil; i++ {
			err = s.add(Entry{Name: fmt.Sprint(i)})
		}
		if err == nil {
			var l *Listing
			if l, err = s.listing(); err == nil {
				l.Close()
			}
		}
		s.close()
		if want := []error{ErrNoSpace, ErrNoSpace, nil}[n]; err != want {
			t.Errorf("after %d files: %v, want %v", n, err, want)
		}
	}
}

// TestSorter has a name come twice, in two runs.
func TestSorter(t *testing.T) {
	dir := t.TempDir()
	s := &sorter{scratch: func() (*os.File, error) { return os.CreateTemp(dir, "") }}
	defer s.close()
	for i := range heldEntries + 1 {
		e := Entry{Name: fmt.Sprint(i), Dir: i%2 == 0, Size: int64(i) << 30}
		if err := s.add(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.add(Entry{Name: "7", Size: 7 << 30}); err != nil {
		t.Fatal(err)
	}
	l, err := s.listing()
	if err != nil || l.Len() != heldEntries+1 {
		t.Fatalf("%d entries, %v", l.Len(), err)
	}
	defer l.Close()
	for e, err := range l.All() {
		if err != nil || fmt.Sprint(e.Size>>30) != e.Name || e.Dir != (e.Size>>30%2 == 0) {
			t.Fatalf("%v, %v", e, err)
		}
	}
}
