package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrInUse says that another process has the state directory.
var ErrInUse = errors.New("store: the state directory is in use by another posko process")

// A DirLock is the lock of a state directory, held by one process at a time:
// the daemon, a command that runs while the daemon is down, or a restore.
type DirLock struct{ file *os.File }

// Lock takes the lock of the state directory dir, which it makes if it is not
// there (mode 0700; one that is there keeps its mode). It does not wait: the
// error wraps ErrInUse if another process has the lock, or this one.
//
// The lock is a flock(2) on dir/lock, so the kernel drops it with the process
// that held it, however that ended. The file stays: it must not be removed, or
// two processes could hold locks on two files of that name.
func Lock(dir string) (*DirLock, error) {
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	err = flock(file)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%w: %s%s", ErrInUse, dir, holder(file))
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	// The process id is for the message of the next one who comes, and for
	// nothing else, so it need not succeed or last.
	if file.Truncate(0) == nil {
		fmt.Fprintln(file, os.Getpid())
	}
	return &DirLock{file}, nil
}

// Unlock gives the lock back. It is to be called once.
func (l *DirLock) Unlock() error { return l.file.Close() }

func flock(file *os.File) error {
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EINTR {
			return err
		}
	}
}

// holder is " (process N)" where the lock file tells who has it, else nothing.
func holder(file *os.File) string {
	b, err := io.ReadAll(io.LimitReader(file, 20))
	pid := strings.TrimSpace(string(b))
	if err != nil || pid == "" {
		return ""
	}
	return " (process " + pid + ")"
}

// makeDir makes dir and the directories above it, mode 0700, each so that it
// would survive a power cut.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncPath(parent)
}

// syncPath makes durable what a file holds, or what a directory lists.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
