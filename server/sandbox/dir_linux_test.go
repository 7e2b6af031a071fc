package sandbox

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// To look at a FIFO, a device, a link's target or a file with several links is
// not to open it: the kernel tells of every opening.
func TestForeignNotOpened(t *testing.T) {
	w := newWorld(t)
	paths, outside := plant(w)
	in, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	w.must(err)
	defer unix.Close(in)
	for _, watched := range []string{"fifo", "hard", "device", "real"} {
		_, err := unix.InotifyAddWatch(in, filepath.Join(w.data, watched), unix.IN_OPEN|unix.IN_DONT_FOLLOW)
		if err != nil && watched != "device" { // which only root can make
			t.Fatal(err)
		}
	}
	_, err = unix.InotifyAddWatch(in, outside, unix.IN_OPEN)
	w.must(err)
	for _, path := range paths {
		if f, err := w.box.Open(path); err == nil {
			f.Close()
		}
		w.box.List(path)
		w.box.Stat(path)
		w.box.Remove(path)
		w.box.Rename(path, "/new")
		if u, err := w.box.Create(path, Unknown); err == nil {
			u.Abort()
		}
	}
	events := make([]byte, 4096)
	if n, err := unix.Read(in, events); err != unix.EAGAIN {
		t.Errorf("something was opened: %d bytes of events, %v", n, err)
	}
	w.wantContent("/real/f", "real")
	if _, err := unix.Read(in, events); err != nil {
		t.Errorf("no event for what was opened: %v", err)
	}
}
