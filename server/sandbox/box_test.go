package sandbox

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestList(t *testing.T) {
	w := newWorld(t)
	w.wantList("/")
	w.mkdir("/d")
	for _, name := range []string{"/b", "/B", "/a b", "/ ", "/t\tb", "/é", "/d/inner"} {
		w.put(name, "1234")
	}
	when := time.Date(2024, 2, 29, 12, 30, 45, 987654321, time.UTC)
	w.must(os.Chtimes(filepath.Join(w.data, "b"), when, when))
	w.must(os.Chtimes(filepath.Join(w.data, "d"), when, when))
	for _, name := range []string{"a\nb", "\xff", "\u202egnp.exe"} {
		w.must(os.WriteFile(filepath.Join(w.data, name), nil, 0o600))
	}
	w.wantList("/", " ", "B", "a b", "b", "d", "t\tb", "é")
	w.wantList("/d/", "inner")

	l, err := w.box.List("/")
	w.must(err)
	sec := when.Truncate(time.Second)
	for e := range l.All() {
		want, ok := map[string]Entry{
			"b": {Name: "b", Size: 4, ModTime: sec},
			"d": {Name: "d", Dir: true, ModTime: sec},
		}[e.Name]
		if diff := cmp.Diff(want, e); ok && diff != "" {
			t.Error(diff)
		}
	}
	for path, want := range map[string]error{
		"/b": ErrNotDir, "/b/": ErrNotDir, "/b/c": ErrNotDir, "/no": ErrNotFound, "/no/no": ErrNotFound,
		"/a\nb": ErrName, "/\xff": ErrName, "/../7": ErrName, "b": ErrName, "": ErrName,
	} {
		_, err := w.box.List(path)
		w.wantErr("List "+path, err, want)
	}
}

func TestStat(t *testing.T) {
	w := newWorld(t)
	w.mkdir("/d")
	w.put("/d/f", "123")
	for path, want := range map[string]Entry{
		"/":    {Name: "/", Dir: true},
		"/d":   {Name: "d", Dir: true},
		"/d/":  {Name: "d", Dir: true},
		"/d/f": {Name: "f", Size: 3},
	} {
		got, err := w.box.Stat(path)
		if time.Since(got.ModTime) > time.Hour || got.ModTime.Location() != time.UTC || got.ModTime.Nanosecond() != 0 {
			t.Errorf("Stat(%q): ModTime %v", path, got.ModTime)
		}
		want.ModTime = got.ModTime
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Stat(%q): %v\n%s", path, err, diff)
		}
	}
	for path, want := range map[string]error{
		"/d/f/": ErrNotDir, "/d/f/x": ErrNotDir, "/x": ErrNotFound, "/x/": ErrNotFound, "/d/../d": ErrName,
	} {
		_, err := w.box.Stat(path)
		w.wantErr("Stat "+path, err, want)
	}
}

func TestDir(t *testing.T) {
	w := newWorld(t)
	w.mkdir("/d")
	w.put("/d/f", "")
	for path, want := range map[string]string{"/": "/", "/d": "/d", "/d/": "/d"} {
		if got, err := w.box.Dir(path); got != want || err != nil {
			t.Errorf("Dir(%q) = %q, %v", path, got, err)
		}
	}
	for path, want := range map[string]error{"/d/f": ErrNotDir, "/d/f/": ErrNotDir, "/no": ErrNotFound, "/grup": ErrNotFound} {
		_, err := w.box.Dir(path)
		w.wantErr("Dir "+path, err, want)
	}
}

func TestOpenFile(t *testing.T) {
	w := newWorld(t)
	w.mkdir("/d")
	w.put("/d/f", "0123456789")
	f, err := w.box.Open("/d/f")
	w.must(err)
	defer f.Close()
	if f.Size != 10 || f.Name != "f" || f.Dir {
		t.Errorf("opened %+v", f.Entry)
	}
	_, err = f.Seek(7, io.SeekStart)
	w.must(err)
	rest, err := io.ReadAll(f)
	w.must(err)
	part := make([]byte, 3)
	_, err = f.ReadAt(part, 2)
	w.must(err)
	if string(rest) != "789" || string(part) != "234" {
		t.Errorf("read %q and %q", rest, part)
	}
	for path, want := range map[string]error{
		"/": ErrIsDir, "/d": ErrIsDir, "/d/": ErrIsDir, "/d/f/": ErrNotDir, "/d/f/g": ErrNotDir,
		"/d/g": ErrNotFound, "/g/f": ErrNotFound, "/d//f": ErrName, "/d/../d/f": ErrName,
	} {
		_, err := w.box.Open(path)
		w.wantErr("Open "+path, err, want)
	}
}

// What a reader has open stays as it was.
func TestOpenThenReplaced(t *testing.T) {
	w := newWorld(t)
	w.put("/f", "old")
	f, err := w.box.Open("/f")
	w.must(err)
	defer f.Close()
	w.put("/f", "brand new")
	w.must(w.box.Remove("/f"))
	if b, err := io.ReadAll(f); string(b) != "old" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
}

// A file that is replaced all the time is there all the time, old or new.
func TestOpenWhileReplaced(t *testing.T) {
	w := newWorld(t)
	w.sys.sync = func(*os.File) error { return nil } // only to be faster
	w.put("/f", strings.Repeat("0", 5000))
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		for i := range 200 {
			w.put("/f", strings.Repeat(string(rune('a'+i%26)), 5000))
		}
	})
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		got := w.get("/f")
		if len(got) != 5000 || strings.Count(got, got[:1]) != 5000 {
			t.Errorf("read %.80q", got)
			break
		}
	}
	wg.Wait()
}

// plant puts by hand into the data directory what no client can make, and
// returns the virtual paths of it and of what it could lead to. outside is a
// file that no operation may read or change.
func plant(w *world) (paths []string, outside string) {
	outside = filepath.Join(w.TempDir(), "outside")
	w.must(os.Mkdir(outside, 0o700))
	secret := filepath.Join(outside, "secret")
	w.must(os.WriteFile(secret, []byte("secret"), 0o600))
	w.mkdir("/real")
	w.put("/real/f", "real")

	for name, to := range map[string]string{
		"absfile":  secret,
		"absdir":   outside,
		"relfile":  "../../../../" + filepath.Base(filepath.Dir(outside)) + "/outside/secret",
		"reldir":   "..",
		"slash":    outside + "/",
		"dangling": "nowhere",
		"loop":     "loop",
		"loop2":    "loop3",
		"loop3":    "loop2",
		"inside":   "real/f",
		"insided":  "real",
		"dot":      ".",
		"zero":     "/dev/zero",
	} {
		w.must(os.Symlink(to, filepath.Join(w.data, name)))
		paths = append(paths, "/"+name, "/"+name+"/", "/"+name+"/secret", "/"+name+"/f")
	}
	w.must(os.Link(secret, filepath.Join(w.data, "hard")))
	w.must(unix.Mkfifo(filepath.Join(w.data, "fifo"), 0o600))
	paths = append(paths, "/hard", "/fifo", "/fifo/x", "/socket")
	// A socket's whole path is short by necessity.
	w.Chdir(w.data)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: "socket", Net: "unix"})
	w.must(err)
	l.SetUnlinkOnClose(false)
	l.Close()
	// Only root may make a device; for others the link to one has to do.
	if err := unix.Mknod(filepath.Join(w.data, "device"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))); err == nil {
		paths = append(paths, "/device")
	} else if os.Geteuid() == 0 && !errors.Is(err, unix.EPERM) {
		w.Fatal(err)
	}
	return paths, outside
}

func TestForeign(t *testing.T) {
	w := newWorld(t)
	paths, outside := plant(w)
	before := contents(t, w.data)
	finish := time.AfterFunc(20*time.Second, func() { panic("an operation blocks") })
	defer finish.Stop()

	w.wantList("/", "real")
	for _, path := range paths {
		_, err := w.box.Stat(path)
		w.wantErr("Stat "+path, err, ErrNotFound)
		_, err = w.box.Open(path)
		w.wantErr("Open "+path, err, ErrNotFound)
		_, err = w.box.List(path)
		w.wantErr("List "+path, err, ErrNotFound)
		_, err = w.box.Dir(path)
		w.wantErr("Dir "+path, err, ErrNotFound)
		w.wantErr("Remove "+path, w.box.Remove(path), ErrNotFound)
		w.wantErr("Rmdir "+path, w.box.Rmdir(path), ErrNotFound)
		w.wantErr("Rename from "+path, w.box.Rename(path, "/new"), ErrNotFound)

		// The name itself is taken; beyond it there is nothing.
		want := ErrNotFound
		if strings.Count(strings.TrimSuffix(path, "/"), "/") == 1 {
			want = ErrExists
		}
		u, err := w.box.Create(path, Unknown)
		w.wantErr("Create "+path, err, want)
		if err == nil {
			u.Abort()
		}
		w.wantErr("Mkdir "+path, w.box.Mkdir(path), want)
		w.wantErr("Rename to "+path, w.box.Rename("/real", path), want)
	}
	if diff := cmp.Diff(before, contents(t, w.data)); diff != "" {
		t.Errorf("the tree has changed:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"secret -rw------- secret"}, contents(t, outside)); diff != "" {
		t.Errorf("the outside has changed:\n%s", diff)
	}
}

// contents describes what is in the directory.
func contents(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		line := e.Name() + " " + e.Type().String()
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			line += " " + to
		} else if e.Type().IsRegular() {
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			line = e.Name() + " -rw------- " + string(b)
		}
		all = append(all, line)
	}
	return all
}

// Between the directory and a link to the outside, swapped all the time, a
// reader finds the directory or nothing.
func TestSwap(t *testing.T) {
	w := newWorld(t)
	outside := filepath.Join(t.TempDir(), "outside")
	w.must(os.Mkdir(outside, 0o700))
	w.must(os.WriteFile(filepath.Join(outside, "f"), []byte("secret"), 0o600))
	w.must(os.WriteFile(filepath.Join(outside, "g"), []byte("secret"), 0o600))
	w.mkdir("/d")
	w.put("/d/f", "mine")
	w.must(os.Symlink(outside, filepath.Join(w.data, "link")))
	w.must(os.Link(filepath.Join(outside, "g"), filepath.Join(w.data, "d", "hard")))

	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		at := func(name string) string { return filepath.Join(w.data, name) }
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, step := range [][2]string{{"d", "kept"}, {"link", "d"}, {"d", "link"}, {"kept", "d"}} {
				if err := os.Rename(at(step[0]), at(step[1])); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	hits, misses := 0, 0
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		f, err := w.box.Open("/d/f")
		switch {
		case err == nil:
			b, err := io.ReadAll(f)
			f.Close()
			if err != nil || !bytes.Equal(b, []byte("mine")) {
				t.Errorf("read %q, %v", b, err)
			}
			hits++
		case errors.Is(err, ErrNotFound) || errors.Is(err, ErrNotDir):
			misses++
		default:
			t.Error(err)
		}
		if l, err := w.box.List("/d"); err == nil {
			for e := range l.All() {
				if e.Name != "new" && (e.Name != "f" || e.Size != 4) {
					t.Errorf("listed %+v", e)
				}
			}
		}
		if u, err := w.box.Create("/d/new", Unknown); err == nil {
			io.WriteString(u, "new")
			if u.Commit(t.Context()) == nil {
				w.box.Remove("/d/new")
			}
		}
		w.box.Remove("/d/hard")
	}
	close(stop)
	wg.Wait()
	if hits == 0 || misses == 0 {
		t.Errorf("%d hits, %d misses: nothing was raced", hits, misses)
	}
	if diff := cmp.Diff([]string{"f -rw------- secret", "g -rw------- secret"}, contents(t, outside)); diff != "" {
		t.Errorf("the outside has changed:\n%s", diff)
	}
	for _, where := range []string{"d/hard", "kept/hard"} {
		if _, err := os.Stat(filepath.Join(w.data, where)); err == nil {
			return
		}
	}
	t.Error("the hard link was removed")
}

func TestReserved(t *testing.T) {
	w := newWorld(t)
	w.put("/f", "mine")
	w.must(os.MkdirAll(filepath.Join(w.data, groups, "dapur"), 0o700))
	w.wantList("/", "f")
	for _, path := range []string{"/grup", "/grup/", "/grup/x", "/grup/dapur"} {
		_, err := w.box.Stat(path)
		w.wantErr("Stat "+path, err, ErrNotFound)
		_, err = w.box.List(path)
		w.wantErr("List "+path, err, ErrNotFound)
		_, err = w.box.Open(path)
		w.wantErr("Open "+path, err, ErrNotFound)
		_, err = w.box.Create(path, Unknown)
		w.wantErr("Create "+path, err, ErrDenied)
		w.wantErr("Mkdir "+path, w.box.Mkdir(path), ErrDenied)
		w.wantErr("Rmdir "+path, w.box.Rmdir(path), ErrDenied)
		w.wantErr("Remove "+path, w.box.Remove(path), ErrDenied)
		w.wantErr("Rename to "+path, w.box.Rename("/f", path), ErrDenied)
		w.wantErr("Rename from "+path, w.box.Rename(path, "/g"), ErrDenied)
	}
	// Only there, and only so.
	w.mkdir("/Grup")
	w.mkdir("/Grup/grup")
	w.wantList("/Grup", "grup")
}

// A FIFO that takes a file's place between the look and the opening makes
// nobody wait, and is not read.
func TestSwapFIFO(t *testing.T) {
	w := newWorld(t)
	w.put("/f", "mine")
	w.must(unix.Mkfifo(filepath.Join(w.data, "fifo"), 0o600))
	finish := time.AfterFunc(20*time.Second, func() { panic("an operation blocks") })
	defer finish.Stop()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		at := func(name string) string { return filepath.Join(w.data, name) }
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, step := range [][2]string{{"f", "kept"}, {"fifo", "f"}, {"f", "fifo"}, {"kept", "f"}} {
				if err := os.Rename(at(step[0]), at(step[1])); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for end := time.Now().Add(time.Second / 2); time.Now().Before(end); {
		if got := w.get("/f"); got != "mine" && got != ErrNotFound.Error() {
			t.Errorf("read %q", got)
		}
	}
	close(stop)
	wg.Wait()
}
