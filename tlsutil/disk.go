package tlsutil

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// MakeDir makes dir, and those above it that are missing, in such a way that
// they survive a power cut.
func MakeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := MakeDir(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Also if it was there: its maker may have died before this line.
	return syncDir(filepath.Dir(dir))
}

// tighten takes away what the group and others may do with a private file.
func tighten(name string, log *slog.Logger) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	mode := info.Mode().Perm()
	if mode&0o077 == 0 {
		return nil
	}
	log.Warn("other users had access to a private file; this has been ended", "file", name, "mode", fmt.Sprintf("%04o", mode))
	return os.Chmod(name, mode&^0o077)
}

// WriteFile puts a file in the place of dir/name, and has made it durable when
// it returns nil. At every moment, also after an error or a crash, the name
// stands for the old content or the new, whole. What a crash leaves of the
// temporary file is removed by the next call.
func WriteFile(dir, name string, data []byte, mode fs.FileMode) error {
	tmp := filepath.Join(dir, "."+name+".new")
	os.Remove(tmp) // if it can't be, O_EXCL says so
	if err := create(tmp, data, mode); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncDir(dir)
}

// CreateFile makes the file dir/name, and has made it durable when it returns
// nil. If the name is there already the error is fs.ErrExist, also for all but
// one of several callers at once. After a crash the file may be incomplete.
func CreateFile(dir, name string, data []byte, mode fs.FileMode) error {
	if err := create(filepath.Join(dir, name), data, mode); err != nil {
		return err
	}
	return syncDir(dir)
}

// create makes a file that must not be there; after an error it is not.
func create(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
