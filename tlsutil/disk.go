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
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
