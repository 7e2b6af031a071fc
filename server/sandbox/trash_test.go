package sandbox

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// wantTrash demands these paths in the trash, the oldest first.
func (w *world) wantTrash(want ...string) []Version {
	w.Helper()
	all, _, err := w.box.Trash("/")
	w.must(err)
	var got []string
	for _, v := range all {
		got = append(got, v.Path)
	}
	if !slices.Equal(got, want) {
		w.Errorf("in the trash %q, want %q", got, want)
	}
	return all
}

// inTrash returns the names in the account's trash on the disk.
func (w *world) inTrash() []string {
	w.Helper()
	entries, err := os.ReadDir(filepath.Join(w.dir, "7", "trash"))
	w.must(err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestTrash(t *testing.T) {
	w := newWorld(t)
	w.SetOptions(Options{Trash: time.Hour, Quota: Quota{Bytes: 20}})
	w.mkdir("/d")
	w.put("/d/f", "one")
	began := time.Now().Add(-time.Second)
	w.put("/d/f", "two.")
	w.must(w.box.Remove("/d/f"))
	w.wantUsed(7, 2)
	for range 2 {
		all := w.wantTrash("/d/f", "/d/f")
		if all[0].Size != 3 || all[1].Size != 4 || all[0].ID == all[1].ID || all[0].Deleted.Before(began) {
			t.Errorf("got %+v", all)
		}
		w.restart()
		w.wantUsed(7, 2)
	}
	// By its id, into a directory that is made again.
	w.must(w.box.Rmdir("/d"))
	first := w.wantTrash("/d/f", "/d/f")[0]
	v, err := w.box.Undelete(first.ID, "/x")
	w.must(err)
	if v != first {
		t.Errorf("got %+v, want %+v", v, first)
	}
	w.wantContent("/d/f", "one")
	_, err = w.box.Undelete("no", "/d/f")
	w.wantErr("Undelete", err, ErrExists)
	_, err = w.box.Undelete(first.ID, "/x")
	w.wantErr("Undelete", err, ErrNotFound)
	w.wantUsed(7, 2)
	w.must(w.box.Rename("/d/f", "/g"))
	_, err = w.box.Undelete("no", "/d/f")
	w.must(err)
	w.wantContent("/d/f", "two.")
	if left := w.inTrash(); len(left) > 0 {
		t.Errorf("left in the trash: %q", left)
	}
	// The oldest gives way where the quota is short, and only as far.
	w.must(w.box.Remove("/g"))
	w.must(w.box.Remove("/d/f"))
	w.wantErr("Create", errOf(w.box.Create("/h", 21)), ErrQuota)
	w.wantTrash("/g", "/d/f")
	w.put("/h", "0123456789012345")
	w.wantTrash("/d/f")
	w.wantUsed(20, 2)
}

// Who lists a large trash holds nothing of it, however slowly it reads, and what
// it was given stays as it was.
func TestTrashListed(t *testing.T) {
	w := newWorld(t)
	w.SetOptions(Options{Trash: time.Hour, Quota: Quota{Bytes: 10}})
	for _, path := range []string{"/a", "/b", "/c"} {
		w.put(path, "one")
		w.must(w.box.Remove(path))
	}
	was := w.wantTrash("/a", "/b", "/c")
	want := slices.Clone(was)
	_, err := w.box.Undelete("", "/b")
	w.must(err)
	w.put("/d", "four")
	w.must(w.box.Remove("/d"))
	w.wantTrash("/c", "/d")
	if !slices.Equal(was, want) {
		t.Errorf("what was listed is %+v now", was)
	}
	b := w.box.tree.book
	for len(b.trash) < 100_000 {
		b.trash = append(b.trash, b.trash...)
	}
	before := liveHeap()
	all, _, err := w.box.Trash("/")
	w.must(err)
	if grown := int64(liveHeap() - before); grown > 64<<10 {
		t.Errorf("a list of %d versions holds %d KiB", len(all), grown>>10)
	}
	runtime.KeepAlive(all)
}

// What a trash holds in memory is bounded, however long the paths are.
func TestTrashPaths(t *testing.T) {
	w := newWorld(t)
	w.SetOptions(Options{Trash: time.Hour})
	w.put("/a", "one")
	w.must(w.box.Remove("/a"))
	w.put("/b", "two.")
	w.must(w.box.Remove("/b"))
	w.box.tree.book.trash[1].Path = "/" + strings.Repeat("x", maxTrashPaths-4)
	w.box.tree.book.paths = maxTrashPaths - 1
	w.put("/c", "three")
	w.must(w.box.Remove("/c"))
	all, _, err := w.box.Trash("/")
	w.must(err)
	if len(all) != 2 || all[1].Path != "/c" {
		t.Errorf("%d versions stay", len(all))
	}
	w.wantUsed(9, 2)
	w.restart()
	w.wantTrash("/b", "/c")
	w.wantUsed(9, 2)
	_, err = w.box.Undelete("", "/b")
	w.must(err)
	if got := w.box.tree.book.paths; got != 2 {
		t.Errorf("%d bytes of paths, want 2", got)
	}
}

// Of a version that cannot be put back nothing is made, not even a directory.
func TestUndeleteUndone(t *testing.T) {
	for name, tt := range map[string]struct {
		before func(w *world)
		want   error
	}{
		"quota": {func(w *world) { w.mkdir("/x"); w.mkdir("/y") }, ErrQuota},
		"gone": {func(w *world) {
			w.must(os.Remove(filepath.Join(w.dir, "7", "trash", w.wantTrash("/a/b/f")[0].ID)))
		}, ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.SetOptions(Options{Trash: time.Hour, Quota: Quota{Files: 3}})
			w.mkdir("/a")
			w.mkdir("/a/b")
			w.put("/a/b/f", "one")
			w.must(w.box.Remove("/a/b/f"))
			w.must(w.box.Rmdir("/a/b"))
			w.must(w.box.Rmdir("/a"))
			tt.before(w)
			dirs := w.box.tree.book.dirs
			_, err := w.box.Undelete("", "/a/b/f")
			w.wantErr("Undelete", err, tt.want)
			w.wantErr("Stat", func() error { _, err := w.box.Stat("/a"); return err }(), ErrNotFound)
			if got := w.box.tree.book.dirs; got != dirs {
				t.Errorf("%d directories, before %d", got, dirs)
			}
		})
	}
}

// Expiry takes what is due, and what was shortened by a reload.
func TestTrashExpires(t *testing.T) {
	w := newWorld(t)
	w.SetOptions(Options{Trash: time.Hour})
	w.put("/f", "one")
	w.must(w.box.Remove("/f"))
	w.must(w.Tend(t.Context()))
	w.wantTrash("/f")
	w.box.tree.book.trash[0].Deleted = time.Now().Add(-time.Hour)
	w.put("/g", "two")
	w.must(w.box.Remove("/g"))
	w.must(w.Tend(t.Context()))
	w.wantTrash("/g")
	w.SetOptions(Options{})
	w.must(w.Tend(t.Context()))
	w.wantTrash()
	w.wantUsed(0, 0)
	if left := w.inTrash(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// Whatever call fails while a file is removed or replaced: what was there stays
// under its name, or nobody is told that it went, and nothing is lost of the
// quota.
func TestTrashFault(t *testing.T) {
	noSync := func(c *calls) { c.sync = func(*os.File) error { return unix.EIO } }
	for name, tt := range map[string]struct {
		fault func(*calls)
		want  error
	}{
		"sync":        {noSync, unix.EIO},
		"label":       {func(c *calls) { c.write = func(*os.File, []byte) (int, error) { return 0, unix.EDQUOT } }, ErrNoSpace},
		"no rename":   {func(c *calls) { c.replace = func(dir, string, dir, string) error { return unix.ENOSPC } }, ErrNoSpace},
		"no exchange": {func(c *calls) { c.exchange = func(dir, string, dir, string) error { return unix.EIO } }, unix.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.SetOptions(Options{Trash: time.Hour})
			w.put("/f", "old")
			u, err := w.box.Create("/f", 3)
			w.must(err)
			io.WriteString(u, "new")
			real := w.sys
			tt.fault(&w.sys)
			removed := name != "no exchange"
			if removed {
				w.wantErr("Remove", w.box.Remove("/f"), tt.want)
			}
			err = u.Commit(t.Context())
			w.sys = real
			// Once the two have changed places, nobody can say [ERR].
			if name == "no rename" {
				w.wantErr("Commit", err, ErrUncertain)
				w.wantContent("/f", "new")
				w.restart()
				w.wantContent("/f", "new")
				w.wantTrash("/f")
				w.wantUsed(6, 2)
				return
			}
			w.wantErr("Commit", err, tt.want)
			w.wantContent("/f", "old")
			w.wantTrash()
			w.wantUsed(3, 1)
			if left := append(w.inTrash(), w.temporaries()...); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// A crash after any step of a removal or replacement leaves the old version
// under its name or in the trash, and never the new one in the trash.
func TestTrashCrash(t *testing.T) {
	crash := func() { panic("crash") }
	for name, tt := range map[string]struct {
		arm           func(c *calls, real calls)
		remove        bool
		content       string
		trash         []string
		bytes, number int64
	}{
		"replace, label": {func(c *calls, real calls) {
			c.exchange = func(dir, string, dir, string) error { crash(); return nil }
		}, false, "old", nil, 3, 1},
		"replace, exchanged": {func(c *calls, real calls) {
			c.replace = func(dir, string, dir, string) error { crash(); return nil }
		}, false, "newer", []string{"/f"}, 8, 2},
		"replace, in the trash": {func(c *calls, real calls) {
			c.replace = func(from dir, name string, to dir, newName string) error {
				real.replace(from, name, to, newName)
				crash()
				return nil
			}
		}, false, "newer", []string{"/f"}, 8, 2},
		"remove, label": {func(c *calls, real calls) {
			c.replace = func(dir, string, dir, string) error { crash(); return nil }
		}, true, "old", nil, 3, 1},
		"remove, in the trash": {func(c *calls, real calls) {
			c.replace = func(from dir, name string, to dir, newName string) error {
				real.replace(from, name, to, newName)
				crash()
				return nil
			}
		}, true, ErrNotFound.Error(), []string{"/f"}, 3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "files")
			w := &world{T: t, dir: dir}
			disk, err := Open(dir, new(memory), Options{Trash: time.Hour})
			w.must(err)
			w.Disk = disk
			w.box, err = disk.Account(t.Context(), testID, Groups{})
			w.must(err)
			w.put("/f", "old")
			u, err := w.box.Create("/f", 5)
			w.must(err)
			io.WriteString(u, "newer")
			before := *w
			t.Cleanup(func() { // what a crash would have closed
				u.f.Close()
				u.tmp.close()
				u.parent.close()
				before.box.Close()
				disk.Close()
			})
			if tt.remove {
				u.Abort()
			}
			tt.arm(&w.sys, w.sys)
			func() {
				defer func() {
					if recover() == nil {
						t.Error("no crash")
					}
				}()
				if tt.remove {
					w.box.Remove("/f")
				} else {
					u.Commit(t.Context())
				}
			}()
			for range 2 {
				w.restart()
				w.wantUsed(tt.bytes, tt.number)
				w.wantContent("/f", tt.content)
				w.wantTrash(tt.trash...)
				if left := w.temporaries(); len(left) > 0 {
					t.Errorf("left in tmp: %q", left)
				}
				if n := len(w.inTrash()); n != 2*len(tt.trash) {
					t.Errorf("in the trash: %q", w.inTrash())
				}
			}
			if len(tt.trash) > 0 {
				if !tt.remove {
					w.must(w.box.Rename("/f", "/g"))
				}
				_, err := w.box.Undelete("", "/f")
				w.must(err)
				w.wantContent("/f", "old")
			}
		})
	}
}

// What a hand has made of the trash is no reason to stop, nor to lose a file.
func TestTrashByHand(t *testing.T) {
	w := newWorld(t)
	w.SetOptions(Options{Trash: time.Hour})
	w.put("/f", "one")
	w.must(w.box.Remove("/f"))
	id := w.wantTrash("/f")[0].ID
	at := filepath.Join(w.dir, "7", "trash")
	outside := filepath.Join(t.TempDir(), "outside")
	w.must(os.WriteFile(outside, []byte(`{"path":"/outside"}`), 0o600))
	w.must(os.Remove(filepath.Join(at, id+".json")))
	w.must(os.Symlink(outside, filepath.Join(at, id+".json")))
	w.must(os.WriteFile(filepath.Join(at, "zz.json"), []byte(`{"path":"/../x","swap":"../../data"}`), 0o600))
	w.must(os.Mkdir(filepath.Join(at, "yy.json"), 0o700))
	w.must(os.Symlink(outside, filepath.Join(at, "xx")))
	w.restart()
	w.wantTrash("/" + id)
	_, err := w.box.Undelete(id, "/")
	w.must(err)
	w.wantContent("/"+id, "one")
}
