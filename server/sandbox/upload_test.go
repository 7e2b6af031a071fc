package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUpload(t *testing.T) {
	w := newWorld(t)
	w.mkdir("/d")
	for _, size := range []int64{11, Unknown} {
		u, err := w.box.Create("/d/f", size)
		w.must(err)
		for _, part := range []string{"hello", "", " world"} {
			n, err := io.WriteString(u, part)
			if n != len(part) || err != nil {
				t.Fatalf("Write = %d, %v", n, err)
			}
		}
		w.wantList("/d")
		w.must(u.Commit(t.Context()))
		u.Abort()
		w.wantContent("/d/f", "hello world")
		if _, err := u.Write([]byte("x")); err == nil {
			t.Error("Write after Commit succeeded")
		}
		if err := u.Commit(t.Context()); err == nil {
			t.Error("second Commit succeeded")
		}
		w.must(w.box.Remove("/d/f"))
	}
	w.put("/empty", "")
	w.wantContent("/empty", "")
	info, err := os.Stat(filepath.Join(w.data, "empty"))
	w.must(err)
	if info.Mode() != 0o600 {
		t.Errorf("published with mode %v", info.Mode())
	}
}

func TestUploadRefused(t *testing.T) {
	w := newWorld(t)
	w.mkdir("/d")
	w.put("/f", "old")
	for path, want := range map[string]error{
		"/": ErrIsDir, "/d": ErrIsDir, "/d/": ErrIsDir, "/f/": ErrNotDir, "/f/g": ErrNotDir,
		"/no/f": ErrNotFound, "/new/": ErrName, "/\x00": ErrName, "/..": ErrName, "f": ErrName,
	} {
		_, err := w.box.Create(path, 3)
		w.wantErr("Create "+path, err, want)
	}
	if left := w.temporaries(); len(left) > 0 {
		t.Errorf("left in tmp: %q", left)
	}
}

// An upload that breaks off, at whatever stage, was never there.
func TestUploadBrokenOff(t *testing.T) {
	for _, old := range []string{"", "old"} {
		for name, stage := range map[string]func(w *world, u *Upload) error{
			"created": func(w *world, u *Upload) error { return nil },
			"begun": func(w *world, u *Upload) error {
				_, err := u.Write([]byte("12"))
				return err
			},
			"complete": func(w *world, u *Upload) error {
				_, err := u.Write([]byte("12345"))
				return err
			},
			"short": func(w *world, u *Upload) error {
				u.Write([]byte("1234"))
				w.wantErr("Commit", u.Commit(w.Context()), ErrLength)
				return nil
			},
			"long": func(w *world, u *Upload) error {
				u.Write([]byte("123"))
				n, err := u.Write([]byte("456"))
				if n != 0 {
					w.Errorf("wrote %d bytes too many", n)
				}
				w.wantErr("Write", err, ErrLength)
				w.wantErr("Commit", u.Commit(w.Context()), ErrLength)
				return nil
			},
			"cancelled": func(w *world, u *Upload) error {
				u.Write([]byte("12345"))
				ctx, cancel := context.WithCancel(w.Context())
				cancel()
				w.wantErr("Commit", u.Commit(ctx), context.Canceled)
				return nil
			},
		} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				if old != "" {
					w.put("/f", old)
				}
				u, err := w.box.Create("/f", 5)
				w.must(err)
				w.must(stage(w, u))
				u.Abort()
				u.Abort()
				if old != "" {
					w.wantContent("/f", old)
				} else {
					w.wantList("/")
				}
			})
		}
	}
}

// Whatever call fails, what was there stays, and nothing is left over.
func TestUploadFault(t *testing.T) {
	for name, tt := range map[string]struct {
		fault func(*calls)
		want  error
	}{
		"write ENOSPC": {func(c *calls) {
			c.write = func(f *os.File, p []byte) (int, error) {
				n, _ := f.Write(p[:1])
				return n, &os.PathError{Op: "write", Path: "files/7/tmp", Err: unix.ENOSPC}
			}
		}, ErrNoSpace},
		"write EDQUOT": {func(c *calls) {
			c.write = func(f *os.File, p []byte) (int, error) { return 0, unix.EDQUOT }
		}, ErrNoSpace},
		"write EIO": {func(c *calls) {
			c.write = func(f *os.File, p []byte) (int, error) { return 0, unix.EIO }
		}, unix.EIO},
		"fsync EIO": {func(c *calls) {
			c.sync = func(f *os.File) error { return unix.EIO }
		}, unix.EIO},
		"fsync ENOSPC": {func(c *calls) {
			c.sync = func(f *os.File) error { return unix.ENOSPC }
		}, ErrNoSpace},
		"rename EIO": {func(c *calls) {
			c.replace = func(dir, string, dir, string) error { return unix.EIO }
		}, unix.EIO},
		"rename ENOSPC": {func(c *calls) {
			c.replace = func(dir, string, dir, string) error { return unix.ENOSPC }
		}, ErrNoSpace},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put("/f", "old")
			real := w.sys
			tt.fault(&w.sys)
			for _, path := range []string{"/f", "/new"} {
				u, err := w.box.Create(path, 3)
				w.must(err)
				_, err = u.Write([]byte("new"))
				if err == nil {
					err = u.Commit(t.Context())
				}
				w.wantErr(path, err, tt.want)
				if errors.Is(err, ErrNoSpace) && err != ErrNoSpace {
					t.Errorf("the refusal carries more than itself: %v", err)
				}
				if left := w.temporaries(); len(left) > 0 {
					t.Errorf("left in tmp: %q", left)
				}
				if again := u.Commit(t.Context()); again != err {
					t.Errorf("Commit after a failure: %v, want %v", again, err)
				}
			}
			w.sys = real
			w.wantList("/", "f")
			w.wantContent("/f", "old")
		})
	}
}

// The content is durable before its name is, and both before Commit returns.
func TestUploadDurable(t *testing.T) {
	w := newWorld(t)
	w.mkdir("/d")
	var order []string
	var failing error
	w.sys.sync = func(f *os.File) error {
		info, err := f.Stat()
		w.must(err)
		if !info.IsDir() {
			order = append(order, "file")
			return f.Sync()
		}
		if in, err := os.Stat(filepath.Join(w.data, "d")); err != nil || !os.SameFile(in, info) {
			t.Errorf("synced another directory: %v", err)
		}
		order = append(order, "directory")
		return failing
	}
	w.sys.replace = func(from dir, name string, to dir, newName string) error {
		order = append(order, "rename")
		return replace(from, name, to, newName)
	}
	want := []string{"file", "rename", "directory"}
	w.put("/d/f", "one")
	if !slices.Equal(order, want) {
		t.Errorf("%q, want %q", order, want)
	}

	failing = unix.EIO
	u, err := w.box.Create("/d/f", 3)
	w.must(err)
	io.WriteString(u, "two")
	w.wantErr("Commit", u.Commit(t.Context()), ErrUncertain)
	w.wantContent("/d/f", "two")
}

func TestUploadReserve(t *testing.T) {
	w := newWorld(t)
	const mib = 1 << 20
	free := int64(100 * mib)
	w.SetOptions(Options{Reserve: 90 * mib})
	w.sys.free = func(*os.File) (int64, error) { return free, nil }
	for size, want := range map[int64]error{0: nil, 10 * mib: nil, 10*mib + 1: ErrNoSpace, math.MaxInt64: ErrNoSpace} {
		w.wantErr("Room", w.room(size), want)
		u, err := w.box.Create("/f", size)
		w.wantErr("Create", err, want)
		if err == nil {
			u.Abort()
		}
	}

	// Others fill the disk while an upload grows.
	for _, size := range []int64{Unknown, 10 * mib} {
		free = 100 * mib
		u, err := w.box.Create("/f", size)
		w.must(err)
		chunk := make([]byte, 256<<10)
		for range 8 {
			_, err := u.Write(chunk)
			w.must(err)
		}
		free = 90 * mib
		for range 4 {
			if _, err = u.Write(chunk); err != nil {
				break
			}
		}
		w.wantErr("Write", err, ErrNoSpace)
		w.wantErr("Commit", u.Commit(t.Context()), ErrNoSpace)
	}
	w.wantErr("Create", errOf(w.box.Create("/f", Unknown)), nil)

	free = 89 * mib
	w.wantErr("Create", errOf(w.box.Create("/f", Unknown)), ErrNoSpace)
	w.SetOptions(Options{Reserve: 0})
	w.wantErr("Room", w.room(free), nil)
	w.wantErr("Room", w.room(free+1), ErrNoSpace)
	w.wantList("/")
}

// room tells whether there is room for a file of size bytes.
func (w *world) room(size int64) error {
	r, err := w.box.Reserve("/", 0, size)
	r.Release()
	return err
}

func errOf(u *Upload, err error) error {
	if err == nil {
		u.Abort()
	}
	return err
}

func TestFreeBytes(t *testing.T) {
	w := newWorld(t)
	w.SetOptions(Options{Reserve: 1})
	w.must(w.room(1))
	w.SetOptions(Options{Reserve: math.MaxInt64})
	w.wantErr("Room", w.room(1), ErrNoSpace)
}

// Two uploads of one name don't meet: the last to be published stays, whole.
func TestUploadTwice(t *testing.T) {
	w := newWorld(t)
	other, err := w.Account(t.Context(), testID, Groups{})
	w.must(err)
	defer other.Close()
	a, err := w.box.Create("/f", 4)
	w.must(err)
	b, err := other.Create("/f", 2)
	w.must(err)
	io.WriteString(a, "aa")
	io.WriteString(b, "bb")
	io.WriteString(a, "aa")
	w.must(b.Commit(t.Context()))
	w.wantContent("/f", "bb")
	w.must(a.Commit(t.Context()))
	w.wantContent("/f", "aaaa")
}

func TestUploadRace(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for i := range 4 {
		box, err := w.Account(t.Context(), testID, Groups{})
		w.must(err)
		defer box.Close()
		content := bytes.Repeat([]byte{byte('a' + i)}, 10000+i)
		wg.Go(func() {
			for range 25 {
				u, err := box.Create("/f", int64(len(content)))
				if err != nil {
					t.Error(err)
					return
				}
				u.Write(content[:5000])
				u.Write(content[5000:])
				if err := u.Commit(t.Context()); err != nil {
					t.Error(err)
				}
				got := w.get("/f")
				if len(got) < 10000 || len(got) != 10000+int(got[0]-'a') || strings.Count(got, got[:1]) != len(got) {
					t.Errorf("read %.80q (%d bytes)", got, len(got))
				}
			}
		})
	}
	wg.Wait()
	w.wantList("/", "f")
}

// An upload into a directory that is no longer where it was is refused, and
// shows up nowhere.
func TestUploadParentChanged(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"removed":  func(w *world) { w.must(w.box.Rmdir("/d")) },
		"renamed":  func(w *world) { w.must(w.box.Rename("/d", "/e")) },
		"replaced": func(w *world) { w.must(w.box.Rmdir("/d")); w.mkdir("/d") },
		"exchanged": func(w *world) {
			w.must(w.box.Rename("/d", "/e"))
			w.mkdir("/d")
		},
		"linked": func(w *world) {
			w.must(w.box.Rename("/d", "/e"))
			w.must(os.Symlink("e", filepath.Join(w.data, "d")))
		},
		"account removed": func(w *world) { w.must(w.Remove(testID)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mkdir("/d")
			u, err := w.box.Create("/d/f", 3)
			w.must(err)
			io.WriteString(u, "new")
			change(w)
			w.wantErr("Commit", u.Commit(t.Context()), ErrNotFound)
			filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
				if err != nil || d.Type().IsRegular() {
					t.Errorf("left: %s, %v", path, err)
				}
				return nil
			})
		})
	}
}

// What took the name in the meantime stays.
func TestUploadTargetChanged(t *testing.T) {
	w := newWorld(t)
	for name, want := range map[string]error{"d": ErrIsDir, "link": ErrExists, "hard": ErrExists} {
		u, err := w.box.Create("/"+name, 3)
		w.must(err)
		io.WriteString(u, "new")
		at := filepath.Join(w.data, name)
		switch name {
		case "d":
			w.mkdir("/d")
		case "link":
			w.must(os.Symlink("/etc/passwd", at))
		case "hard":
			w.must(os.WriteFile(at, nil, 0o600))
			w.must(os.Link(at, filepath.Join(t.TempDir(), "outside")))
		}
		w.wantErr("Commit "+name, u.Commit(t.Context()), want)
		if _, err := os.Lstat(at); err != nil {
			t.Error(err)
		}
	}
	w.wantList("/", "d")
}
