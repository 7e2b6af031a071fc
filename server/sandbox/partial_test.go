package sandbox

import (
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// broken begins an upload of size bytes that breaks off behind sent.
func (w *world) broken(path string, size int64, sent string) {
	w.Helper()
	u, err := w.box.Create(path, size)
	w.must(err)
	_, err = io.WriteString(u, sent)
	w.must(err)
	u.Abort()
}

func (w *world) wantPartial(path string, want int64) {
	w.Helper()
	if got, err := w.box.Partial(path); got != want || err != nil {
		w.Errorf("Partial(%q) = %d, %v; want %d", path, got, err, want)
	}
}

// resume goes on with an upload, to its end.
func (w *world) resume(path string, from int64, rest string) error {
	r, err := w.box.Reserve(path, from, int64(len(rest)))
	if err != nil {
		return err
	}
	u, err := w.box.Upload(path, from, r)
	if err != nil {
		return err
	}
	defer u.Abort()
	if _, err := io.WriteString(u, rest); err != nil {
		return err
	}
	return u.Commit(w.Context())
}

func TestPartial(t *testing.T) {
	w := newWorld(t)
	w.SetOptions(Options{Partial: time.Hour, Quota: Quota{Bytes: 10, Files: 1}})
	w.wantPartial("/f", 0)
	w.broken("/f", 10, "0123")
	for range 2 { // after a restart as well
		w.wantList("/")
		w.wantPartial("/f", 4)
		w.wantPartial("/g", 0)
		w.wantUsed(4, 1)
		w.wantErr("too much", w.resume("/f", 4, "4567890"), ErrQuota)
		w.wantErr("elsewhere", w.resume("/f", 3, "34567"), ErrNoPartial)
		w.wantErr("another", w.resume("/g", 4, "4567"), ErrNoPartial)
		w.wantUsed(4, 1)
		w.restart()
	}
	w.must(w.resume("/f", 4, "456789"))
	w.wantContent("/f", "0123456789")
	w.wantPartial("/f", 0)
	w.wantUsed(10, 1)
	w.wantErr("again", w.resume("/f", 4, ""), ErrNoPartial)
	w.must(w.box.Remove("/f"))

	// Only what was sent so far by an upload of known size without an error.
	w.broken("/f", Unknown, "012")
	w.broken("/f", 3, "")
	w.wantUsed(0, 0)
	u, err := w.box.Create("/f", 3)
	w.must(err)
	io.WriteString(u, "0")
	io.WriteString(u, "1234")
	u.Abort()
	w.wantPartial("/f", 0)
	w.wantUsed(0, 0)
	w.broken("/f", 3, "012") // all of it
	w.wantPartial("/f", 3)
	w.must(w.resume("/f", 3, ""))
	w.wantContent("/f", "012")
}

// What a file was when the upload began, it must still be.
func TestPartialChanged(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"replaced": func(w *world) { w.put("/f", "old") },
		"removed":  func(w *world) { w.must(w.box.Remove("/f")) },
		"renamed":  func(w *world) { w.must(w.box.Rename("/f", "/g")) },
		"its time": func(w *world) { _, err := w.box.SetModTime("/f", time.Unix(1, 0)); w.must(err) },
		"by hand":  func(w *world) { w.must(os.Truncate(filepath.Join(w.data, "f"), 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.SetOptions(Options{Partial: time.Hour, Trash: time.Hour})
			w.put("/f", "old")
			w.broken("/f", 10, "0123")
			w.wantPartial("/f", 4)
			change(w)
			was := w.get("/f")
			w.wantPartial("/f", 0)
			w.wantErr("resume", w.resume("/f", 4, "456789"), ErrNoPartial)
			w.wantContent("/f", was)
			w.SetOptions(Options{})
			w.must(w.Tend(t.Context()))
		})
	}
}

// Of two who go on with one upload, one does.
func TestPartialRace(t *testing.T) {
	w := newWorld(t)
	w.SetOptions(Options{Partial: time.Hour})
	for range 20 {
		w.broken("/f", 10, "0123")
		var all sync.WaitGroup
		var won atomic.Int64
		for range 4 {
			all.Go(func() {
				if err := w.resume("/f", 4, "456789"); err == nil {
					won.Add(1)
				} else {
					w.wantErr("resume", err, ErrNoPartial)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%d have won", won.Load())
		}
		w.wantContent("/f", "0123456789")
		w.wantUsed(10, 1)
		w.must(w.box.Remove("/f"))
	}
}

// A crash leaves what was received, unless the machine has been down since.
func TestPartialCrash(t *testing.T) {
	w := newWorld(t)
	w.SetOptions(Options{Partial: time.Hour})
	u, err := w.box.Create("/f", 10)
	w.must(err)
	io.WriteString(u, "0123")
	w.restart()
	w.wantPartial("/f", 4)
	r, err := w.box.Reserve("/", 4, 6)
	w.must(err)
	again, err := w.box.Upload("/f", 4, r)
	w.must(err)
	io.WriteString(again, "45")
	w.restart()
	w.wantPartial("/f", 6)
	w.wantUsed(6, 1)
	w.must(w.resume("/f", 6, "6789"))
	w.wantContent("/f", "0123456789")
	u.Abort()
	again.Abort()

	u, err = w.box.Create("/g", 10)
	w.must(err)
	io.WriteString(u, "0123")
	for _, name := range w.temporaries() {
		w.must(os.Chtimes(name, time.Time{}, bootTime().Add(-time.Minute)))
	}
	w.restart()
	w.wantPartial("/g", 0)
	w.wantUsed(10, 1)
	u.Abort()
}

// What cannot be made durable is not kept.
func TestPartialFault(t *testing.T) {
	w := newWorld(t)
	w.SetOptions(Options{Partial: time.Hour})
	w.sys.sync = func(*os.File) error { return unix.EIO }
	w.broken("/f", 10, "0123")
	w.wantPartial("/f", 0)
	w.wantUsed(0, 0)
}

func TestPartialExpires(t *testing.T) {
	w := newWorld(t)
	w.SetOptions(Options{Partial: time.Hour})
	w.broken("/f", 10, "0123")
	w.must(w.Tend(t.Context()))
	w.wantPartial("/f", 4)
	w.SetOptions(Options{})
	w.must(w.Tend(t.Context()))
	w.wantPartial("/f", 0)
	w.wantUsed(0, 0)
}
