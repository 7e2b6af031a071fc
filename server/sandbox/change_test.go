package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMkdir(t *testing.T) {
	w := newWorld(t)
	w.mkdir("/d")
	w.mkdir("/d/e/")
	w.put("/f", "")
	for path, want := range map[string]error{
		"/": ErrExists, "/d": ErrExists, "/d/": ErrExists, "/f": ErrExists, "/f/": ErrExists,
		"/f/d": ErrNotDir, "/no/d": ErrNotFound, "/d/../x": ErrName, "/\n": ErrName,
	} {
		w.wantErr("Mkdir "+path, w.box.Mkdir(path), want)
	}
	w.wantList("/", "d", "f")
	w.wantList("/d", "e")
	info, err := os.Stat(filepath.Join(w.data, "d"))
	w.must(err)
	if info.Mode() != os.ModeDir|0o700 {
		t.Errorf("made with mode %v", info.Mode())
	}
}

func TestRmdir(t *testing.T) {
	w := newWorld(t)
	w.mkdir("/d")
	w.mkdir("/d/e")
	w.put("/f", "")
	for path, want := range map[string]error{
		"/": ErrDenied, "/d": ErrNotEmpty, "/f": ErrNotDir, "/f/": ErrNotDir, "/no": ErrNotFound, "/f/d": ErrNotDir,
	} {
		w.wantErr("Rmdir "+path, w.box.Rmdir(path), want)
	}
	w.must(w.box.Rmdir("/d/e/"))
	w.must(os.Symlink("/", filepath.Join(w.data, "d", "unseen")))
	w.wantList("/d")
	w.wantErr("Rmdir of a directory with a link", w.box.Rmdir("/d"), ErrNotEmpty)
	w.must(os.Remove(filepath.Join(w.data, "d", "unseen")))
	w.must(w.box.Rmdir("/d"))
	w.wantList("/", "f")
}

func TestRemoveFile(t *testing.T) {
	w := newWorld(t)
	w.mkdir("/d")
	w.put("/d/f", "")
	for path, want := range map[string]error{
		"/": ErrIsDir, "/d": ErrIsDir, "/d/": ErrIsDir, "/d/f/": ErrNotDir, "/d/f/g": ErrNotDir, "/no": ErrNotFound, "/no/f": ErrNotFound,
	} {
		w.wantErr("Remove "+path, w.box.Remove(path), want)
	}
	w.wantList("/d", "f")
	w.must(w.box.Remove("/d/f"))
	w.wantList("/d")
	w.wantErr("Remove again", w.box.Remove("/d/f"), ErrNotFound)
}

func TestRename(t *testing.T) {
	w := newWorld(t)
	w.mkdir("/d")
	w.mkdir("/d/e")
	w.mkdir("/empty")
	w.put("/f", "f")
	w.put("/g", "g")
	for _, tt := range []struct {
		from, to string
		want     error
	}{
		{"/", "/x", ErrDenied},
		{"/f", "/", ErrExists},
		{"/f", "/g", ErrExists},
		{"/f", "/f", ErrExists},
		{"/f", "/empty", ErrExists},
		{"/d", "/empty", ErrExists},
		{"/d", "/d", ErrExists},
		{"/d/e", "/d", ErrExists},
		{"/d", "/d/x", ErrDenied},
		{"/d", "/d/e/x", ErrDenied},
		{"/d/", "/d/e/", ErrDenied},
		{"/f/", "/x", ErrNotDir},
		{"/f", "/x/", ErrNotDir},
		{"/f", "/f/x", ErrNotDir},
		{"/f", "/g/x", ErrNotDir},
		{"/f", "/no/x", ErrNotFound},
		{"/no", "/x", ErrNotFound},
		{"/no", "/no/x", ErrNotFound},
		{"/f", "/\u202e", ErrName},
		{"/f", "/../x", ErrName},
	} {
		w.wantErr("Rename "+tt.from+" "+tt.to, w.box.Rename(tt.from, tt.to), tt.want)
	}
	w.wantList("/", "d", "empty", "f", "g")
	w.must(w.box.Rename("/f", "/d/e/ F"))
	w.must(w.box.Rename("/d/", "/dd/"))
	w.must(w.box.Rename("/dd/e", "/e"))
	w.wantList("/", "dd", "e", "empty", "g")
	w.wantContent("/e/ F", "f")
	w.wantContent("/g", "g")
}

// Of many that want one name, one gets it and the others keep theirs.
func TestRenameRace(t *testing.T) {
	w := newWorld(t)
	names := []string{"/a", "/b", "/c", "/d"}
	for _, name := range names {
		w.put(name, name)
	}
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { errs[i] = w.box.Rename(name, "/x") })
	}
	wg.Wait()
	won := slices.Index(errs, nil)
	for i, name := range names {
		if i == won {
			w.wantContent("/x", name)
			continue
		}
		w.wantErr("Rename "+name, errs[i], ErrExists)
		w.wantContent(name, name)
	}
}

// Every change of names syncs the directories it touches, and a failure of that
// is neither a yes nor a no.
func TestChangeDurable(t *testing.T) {
	w := newWorld(t)
	w.mkdir("/d")
	w.put("/f", "")
	w.put("/g", "")
	var synced []uint64
	var failing error
	inode := func(path string) uint64 {
		var st unix.Stat_t
		w.must(unix.Stat(path, &st))
		return st.Ino
	}
	w.sys.sync = func(f *os.File) error {
		var st unix.Stat_t
		w.must(unix.Fstat(int(f.Fd()), &st))
		synced = append(synced, st.Ino)
		return failing
	}
	root, d := inode(w.data), inode(filepath.Join(w.data, "d"))
	for _, failing = range []error{nil, unix.EIO} {
		for _, tt := range []struct {
			name   string
			change func() error
			want   []uint64
		}{
			{"Mkdir", func() error { return w.box.Mkdir("/d/e") }, []uint64{d}},
			{"Rmdir", func() error { return w.box.Rmdir("/d/e") }, []uint64{d}},
			{"Rename", func() error { return w.box.Rename("/f", "/d/f") }, []uint64{d, root}},
			{"Remove", func() error { return w.box.Remove("/d/f") }, []uint64{d}},
		} {
			synced = nil
			if err := tt.change(); failing == nil {
				w.must(err)
			} else {
				w.wantErr(tt.name, err, ErrUncertain)
				w.wantErr(tt.name, err, failing)
				tt.want = tt.want[:1]
			}
			if !slices.Equal(synced, tt.want) {
				t.Errorf("%s synced %v, want %v", tt.name, synced, tt.want)
			}
		}
		w.must(os.Rename(filepath.Join(w.data, "g"), filepath.Join(w.data, "f")))
		if failing == nil {
			w.must(os.WriteFile(filepath.Join(w.data, "g"), nil, 0o600))
		}
	}
}

// While a change of directories is not durable yet, nothing can be published
// that rests on it; while an upload is being published, its directory stays.
func TestChangeOrder(t *testing.T) {
	w := newWorld(t)
	w.put("/f", "")
	locks := func() (forDirs, forFiles bool) {
		mu := &w.box.tree.mu
		if forDirs = mu.TryLock(); forDirs {
			mu.Unlock()
		}
		if forFiles = mu.TryRLock(); forFiles {
			mu.RUnlock()
		}
		return forDirs, forFiles
	}
	var dirs, files bool
	w.sys.sync = func(f *os.File) error {
		dirs, files = locks()
		return nil
	}
	for name, change := range map[string]func() error{
		"Mkdir":  func() error { return w.box.Mkdir("/d") },
		"Rename": func() error { return w.box.Rename("/f", "/g") },
	} {
		w.must(change())
		if dirs || files {
			t.Errorf("%s let others change before it was durable", name)
		}
	}
	w.must(w.box.Rmdir("/d"))
	if dirs || files {
		t.Error("Rmdir let others change before it was durable")
	}
	w.put("/h", "")
	if dirs || !files {
		t.Error("Commit must keep directories as they are, and let other uploads be")
	}
	w.must(w.box.Remove("/h"))
	if dirs || !files {
		t.Error("Remove must keep directories as they are, and let uploads be")
	}
}
