package sandbox

import (
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A dir is an open directory: it stays the same one whatever becomes of the
// path that led to it. The names given to its methods are single components;
// no method follows a link.
type dir struct{ f *os.File }

// walk opens the directory that names lead to from root.
func walk(root *os.Root, names []string) (dir, error) {
	f, err := root.Open(".")
	if err != nil {
		return dir{}, refusal(err)
	}
	at := dir{f}
	for _, name := range names {
		next, err := at.child(name)
		at.close()
		if err != nil {
			return dir{}, err
		}
		at = next
	}
	return at, nil
}

func (d dir) close() { d.f.Close() }

func (d dir) fd() int { return int(d.f.Fd()) }

// child opens the directory name in d.
func (d dir) child(name string) (dir, error) {
	fd, err := d.openat(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err == nil {
		return dir{os.NewFile(uintptr(fd), name)}, nil
	}
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		// A file is refused for what it is; what was put there by hand is
		// not there.
		if _, err := d.stat(name); err != nil {
			return dir{}, err
		}
		return dir{}, ErrNotDir
	}
	return dir{}, refusal(err)
}

// create makes the file name, which must be new, and opens it for writing.
func (d dir) create(name string) (*os.File, error) {
	fd, err := d.openat(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return nil, refusal(err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (d dir) openat(name string, flags int, perm uint32) (fd int, err error) {
	err = retry(func() error {
		fd, err = unix.Openat(d.fd(), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, perm)
		return err
	})
	return fd, err
}

// An Entry describes a file or a directory.
type Entry struct {
	Name    string // "/" for the root itself
	Dir     bool
	Size    int64     // bytes; 0 for a directory
	ModTime time.Time // UTC, whole seconds
}

// entry describes what a client may see of st; false if that is nothing.
// A file just replaced or removed has no link left, and is as good as ever to
// those who have it open.
func entry(name string, st *unix.Stat_t) (Entry, bool) {
	e := Entry{Name: name, ModTime: time.Unix(int64(st.Mtim.Sec), 0).UTC()}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		e.Dir = true
	case unix.S_IFREG:
		e.Size = st.Size
		return e, st.Nlink <= 1
	default:
		return e, false
	}
	return e, true
}

func (d dir) lstat(name string) (st unix.Stat_t, err error) {
	err = retry(func() error {
		return unix.Fstatat(d.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	return st, err
}

// stat describes name in d, ErrNotFound if a client may not see it.
func (d dir) stat(name string) (Entry, error) {
	st, err := d.lstat(name)
	if err != nil {
		return Entry{}, refusal(err)
	}
	e, ok := entry(name, &st)
	if !ok {
		return Entry{}, ErrNotFound
	}
	return e, nil
}

// open opens the regular file name for reading.
func (d dir) open(name string) (*File, error) {
	// Looking first keeps devices and FIFOs from being opened at all; looking
	// again at what was opened makes it certain.
	e, err := d.stat(name)
	if err != nil {
		return nil, err
	}
	if e.Dir {
		return nil, ErrIsDir
	}
	// Should a FIFO have come in between, O_NONBLOCK keeps us from waiting for
	// its other end.
	fd, err := d.openat(name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, refusal(err)
	}
	var st unix.Stat_t
	if err = retry(func() error { return unix.Fstat(fd, &st) }); err == nil {
		err = unix.SetNonblock(fd, false)
	}
	e, ok := entry(name, &st)
	switch {
	case err != nil:
		err = refusal(err)
	case !ok:
		err = ErrNotFound
	case e.Dir:
		err = ErrIsDir
	default:
		return &File{Entry: e, f: os.NewFile(uintptr(fd), name)}, nil
	}
	unix.Close(fd)
	return nil, err
}

// names reads the names in d, in no order, whatever they stand for.
func (d dir) names() ([]string, error) {
	if _, err := d.f.Seek(0, io.SeekStart); err != nil {
		return nil, refusal(err)
	}
	names, err := d.f.Readdirnames(-1)
	return names, refusal(err)
}

func (d dir) mkdir(name string) error {
	return refusal(retry(func() error { return unix.Mkdirat(d.fd(), name, 0o700) }))
}

// unlink removes the name of anything but a directory, rmdir that of an empty
// directory: unlike os.Root's Remove they never take one for the other.
func (d dir) unlink(name string) error {
	return refusal(retry(func() error { return unix.Unlinkat(d.fd(), name, 0) }))
}

func (d dir) rmdir(name string) error {
	return refusal(retry(func() error { return unix.Unlinkat(d.fd(), name, unix.AT_REMOVEDIR) }))
}

// setTimes sets when the file name was last changed; last read it was now.
func (d dir) setTimes(name string, mtime unix.Timespec) error {
	now, err := unix.TimeToTimespec(time.Now())
	if err != nil {
		return refusal(err)
	}
	return refusal(retry(func() error {
		return unix.UtimesNanoAt(d.fd(), name, []unix.Timespec{now, mtime}, unix.AT_SYMLINK_NOFOLLOW)
	}))
}

// replace moves a file to another directory and name, over a file that may be
// there, never over a directory. Its error is the system's.
func replace(from dir, name string, to dir, newName string) error {
	return retry(func() error { return unix.Renameat(from.fd(), name, to.fd(), newName) })
}

// move renames whatever name stands for, never over anything: the kernel looks
// and renames in one step, so not even a hand outside this process gets in between.
func move(from dir, name string, to dir, newName string) error {
	return refusal(retry(func() error { return renameExclusive(from.fd(), name, to.fd(), newName) }))
}

// exchange has two files change names: either name leads to a whole file at
// every moment. Its error is the system's.
func exchange(one dir, name string, other dir, otherName string) error {
	return retry(func() error { return renameSwap(one.fd(), name, other.fd(), otherName) })
}

// clear removes everything in d but what keep, which may be nil, asks for by its
// name. Directories inside directories are first moved
// up into d under numbers for names, because a client can nest them deeper, one
// rename after the other, than there are descriptors to follow it down.
func (d dir) clear(keep func(name string) bool) error {
	serial := 0
	for {
		names, err := d.names()
		if keep != nil {
			names = slices.DeleteFunc(names, keep)
		}
		if err != nil || len(names) == 0 {
			return err
		}
		for _, name := range names {
			if err := d.removeAll(name, &serial); err != nil {
				return err
			}
		}
	}
}

// removeAll removes name from d, save that it moves the directories which it
// finds in it up into d.
func (d dir) removeAll(name string, serial *int) error {
	failed := d.unlink(name)
	if failed == nil || failed == ErrNotFound { // an upload that ends removes its own
		return nil
	}
	sub, err := d.child(name)
	if err != nil {
		return failed // not for being a directory
	}
	defer sub.close()
	names, err := sub.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := sub.unlink(name); err == nil || err == ErrNotFound {
			continue
		}
		for err = ErrExists; err == ErrExists; *serial++ {
			err = move(sub, name, d, strconv.Itoa(*serial))
		}
		if err != nil {
			return err
		}
	}
	return d.rmdir(name)
}

// retry repeats a system call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// freeBytes returns how many bytes of f's filesystem this user may still fill.
func freeBytes(f *os.File) (int64, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(int(f.Fd()), &st) }); err != nil {
		return 0, err
	}
	// Some network filesystems count as if they had no end.
	blocks, size := uint64(st.Bavail), uint64(st.Bsize)
	return int64(min(blocks, math.MaxInt64/max(size, 1)) * size), nil
}
