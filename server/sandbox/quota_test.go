package sandbox

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// wantUsed demands what is used of the account's quota, also of a count anew.
func (w *world) wantUsed(bytes, files int64) {
	w.Helper()
	used, _, err := w.box.Quota("/")
	if want := (Usage{bytes, files}); used != want || err != nil {
		w.Errorf("used %+v, %v; want %+v", used, err, want)
	}
}

// restart is what a crash and the next start do to the Disk: nothing that was
// open before is ended.
func (w *world) restart() {
	w.Helper()
	opts := *w.options()
	next, err := Open(w.dir, w.store, opts)
	w.must(err)
	box, err := next.Account(w.Context(), testID, Groups{})
	w.must(err)
	w.Cleanup(func() {
		box.Close()
		next.Close()
	})
	next.sys.write, next.sys.sync = w.sys.write, w.sys.sync
	w.Disk, w.box = next, box
}

// Of fifty uploads at once into room for ten, ten are stored.
func TestQuotaRace(t *testing.T) {
	for name, quota := range map[string]Quota{"bytes": {Bytes: 1059}, "files": {Files: 10}} {
		for _, size := range []int64{100, Unknown} {
			t.Run(name+strconv.FormatInt(size, 10), func(t *testing.T) {
				w := newWorld(t)
				w.SetOptions(Options{Quota: quota})
				w.mkdir("/d") // is no file
				var all sync.WaitGroup
				var stored, refused atomic.Int64
				start := make(chan struct{})
				for i := range 50 {
					box, err := w.Account(t.Context(), testID, Groups{})
					w.must(err)
					all.Go(func() {
						defer box.Close()
						<-start
						u, err := box.Create("/d/"+strconv.Itoa(i), size)
						if err == nil {
							for range 10 {
								if _, err = io.WriteString(u, "0123456789"); err != nil {
									break
								}
							}
							if err == nil {
								err = u.Commit(t.Context())
							}
						}
						if err == nil {
							stored.Add(1)
							return
						}
						refused.Add(1)
						w.wantErr("upload", err, ErrQuota)
					})
				}
				close(start)
				all.Wait()
				n := stored.Load()
				// Those that grow may stop one another short of the end.
				if n != 10 && (size != Unknown || name != "bytes" || n > 10) || n+refused.Load() != 50 {
					t.Errorf("%d stored, %d refused", n, refused.Load())
				}
				w.wantUsed(100*n, n)
				w.restart()
				w.wantUsed(100*n, n)
			})
		}
	}
}

// Room on the disk that is promised to one upload is not there for another.
func TestDiskRace(t *testing.T) {
	w := newWorld(t)
	w.sys.free = func(*os.File) (int64, error) { return 1059, nil }
	var all sync.WaitGroup
	var found atomic.Int64
	rooms := make(chan *Reservation, 50)
	for range 50 {
		all.Go(func() {
			r, err := w.box.Reserve("/", 0, 100)
			if err == nil {
				found.Add(1)
				rooms <- r
			} else {
				w.wantErr("Reserve", err, ErrNoSpace)
			}
		})
	}
	all.Wait()
	if found.Load() != 10 {
		t.Errorf("room for %d, want 10", found.Load())
	}
	close(rooms)
	for r := range rooms {
		r.Release()
		r.Release()
	}
	w.wantErr("Reserve", w.room(1059), nil)
	w.wantUsed(0, 0)
}

// What neither the quota nor the disk has room for is refused for the quota, and
// no trash gives way to what the disk refuses.
func TestQuotaBeforeDisk(t *testing.T) {
	w := newWorld(t)
	w.SetOptions(Options{Quota: Quota{Bytes: 100}, Trash: time.Hour})
	w.put("/a", "0123456789")
	w.must(w.box.Remove("/a"))
	w.sys.free = func(*os.File) (int64, error) { return 50, nil }
	w.wantErr("too much for both", w.room(math.MaxInt64), ErrQuota)
	w.wantErr("too much for the disk, and for the quota but for the trash", w.room(95), ErrNoSpace)
	w.wantTrash("/a")
	w.wantUsed(10, 1)
}

func TestQuota(t *testing.T) {
	w := newWorld(t)
	w.SetOptions(Options{Quota: Quota{Bytes: 10, Files: 3}})
	w.put("/a", "1234")
	w.wantUsed(4, 1)
	w.put("/a", "12")
	w.wantUsed(2, 1)
	w.mkdir("/d")
	w.must(w.box.Rename("/a", "/d/a"))
	w.wantUsed(2, 1)
	w.wantErr("Create", errOf(w.box.Create("/b", 9)), ErrQuota)
	w.wantUsed(2, 1)
	u, err := w.box.Create("/b", 8)
	w.must(err)
	w.wantUsed(10, 2)
	u.Write([]byte("123"))
	u.Abort()
	w.wantUsed(2, 1)

	// What is known of a file before its room is not enough afterwards.
	r, err := w.box.Reserve("/", 0, 8)
	w.must(err)
	_, err = w.box.Upload("/no/b", 0, r)
	w.wantErr("Upload", err, ErrNotFound)
	w.wantUsed(2, 1)

	u, err = w.box.Create("/b", Unknown)
	w.must(err)
	_, err = u.Write(make([]byte, 8))
	w.must(err)
	_, err = u.Write([]byte("x"))
	w.wantErr("Write", err, ErrQuota)
	w.wantErr("Commit", u.Commit(t.Context()), ErrQuota)
	w.wantUsed(2, 1)

	// The account's own terms hold at once, and a bound below what there is
	// takes nothing away.
	w.grant(Terms{Quota: 1, Rate: Default})
	w.wantErr("Create", errOf(w.box.Create("/b", 1)), ErrQuota)
	w.wantContent("/d/a", "12")
	w.grant(Terms{Quota: 0, Rate: Default})
	w.wantErr("Create", errOf(w.box.Create("/b", 1<<20)), nil)
	w.must(w.box.Remove("/d/a"))
	w.wantUsed(0, 0)
}

// What lies deeper than descriptors reach is counted, and what is no client's is
// not.
func TestCount(t *testing.T) {
	w := newWorld(t)
	w.sys.sync = func(*os.File) error { return nil } // only to be faster
	w.mkdir("/top")
	w.put("/top/f", "1234567")
	for range 2 {
		deep := "/new" + strings.Repeat("/d", 100)
		for i := len("/new"); i <= len(deep); i += 2 {
			w.mkdir(deep[:i])
		}
		w.must(w.box.Rename("/top", deep+"/e"))
		w.must(w.box.Rename("/new", "/top"))
	}
	w.put("/g", "89")
	w.must(os.Symlink("g", filepath.Join(w.data, "link")))
	w.must(os.WriteFile(filepath.Join(w.data, "hard"), []byte("xxx"), 0o600))
	w.must(os.Link(filepath.Join(w.data, "hard"), filepath.Join(t.TempDir(), "outside")))
	dirs := w.box.tree.book.dirs
	var limit unix.Rlimit
	w.must(unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	low := limit
	low.Cur = 128
	w.must(unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	w.restart()
	w.wantUsed(9, 2)
	if got := w.box.tree.book.dirs; got != dirs || got != 203 {
		t.Errorf("%d directories, before %d", got, dirs)
	}
}
