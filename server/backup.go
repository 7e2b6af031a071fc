package server

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"posko"
)

// A backup is a tar archive (POSIX.1-2001, pax): an entry that says what it is,
// the database, the directories and files of the state directory under their
// own names, and an entry with a hash over all that came before, so that one
// that was cut off or has changed is never restored.
const (
	backupHead = "posko-backup" // its content: what made it, and when
	backupEnd  = "posko-backup-end"
	backupDB   = "posko.db"
)

// backupTrees are what of the state directory is kept, beside the database.
// Of the trees of accounts and groups, uploads that were under way are left out.
var backupTrees = []string{"files", "groups", "tls"}

// unfinished is where the files of uploads under way lie, as in files/7/tmp and
// groups/3/tmp.
const unfinished = "*/*/tmp"

// Backup writes a backup of the state directory dir to w, while a daemon may be
// using it. copyDB copies the directory's database to a new file. The database
// is copied first: every message that was acknowledged before is in it. A file
// that is replaced meanwhile is in it whole, old or new. The caller is the
// directory's owner. It returns the number of files.
func Backup(ctx context.Context, dir string, copyDB func(ctx context.Context, dir, path string) error, w io.Writer) (files int, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	db, err := openCopy(ctx, dir, copyDB)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	b := &backup{ctx: ctx, tar: tar.NewWriter(w), sum: sha256.New()}
	about := fmt.Sprintf("posko %s, %s\n", posko.Version, time.Now().UTC().Format(time.RFC3339))
	if err := b.text(backupHead, about); err != nil {
		return 0, err
	}
	if err := b.file(backupDB, db); err != nil {
		return 0, err
	}
	for _, tree := range backupTrees {
		if err := b.tree(root, tree); err != nil {
			return 0, err
		}
	}
	if err := b.text(backupEnd, hex.EncodeToString(b.sum.Sum(nil))+"\n"); err != nil {
		return 0, err
	}
	return b.files, b.tar.Close()
}

// workPrefix begins the names of directories in which a backup copies the
// database. One that is left over is removed when the daemon starts.
const workPrefix = "backup-"

// openCopy returns a copy of the database that goes when it is closed.
func openCopy(ctx context.Context, dir string, copyDB func(ctx context.Context, dir, path string) error) (_ *os.File, err error) {
	work, err := os.MkdirTemp(dir, workPrefix)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	path := filepath.Join(work, backupDB)
	if err := copyDB(ctx, dir, path); err != nil {
		return nil, err
	}
	return os.Open(path)
}

// A backup is one that is being written.
type backup struct {
	ctx   context.Context
	tar   *tar.Writer
	sum   hash.Hash
	files int
}

// note adds an entry's name, kind and size to the hash.
func note(sum hash.Hash, h *tar.Header) {
	fmt.Fprintf(sum, "%q %c %d\n", h.Name, h.Typeflag, h.Size)
}

// copy writes one entry.
func (b *backup) copy(h *tar.Header, content io.Reader) error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	h.Format = tar.FormatPAX
	if err := b.tar.WriteHeader(h); err != nil {
		return err
	}
	note(b.sum, h)
	if n, err := io.Copy(b.tar, io.TeeReader(io.LimitReader(content, h.Size), b.sum)); err != nil || n < h.Size {
		return errors.Join(err, fmt.Errorf("%s: %d of %d bytes read", h.Name, n, h.Size))
	}
	return nil
}

func (b *backup) text(name, content string) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(content)), ModTime: time.Now()}
	return b.copy(h, strings.NewReader(content))
}

func (b *backup) file(name string, f fs.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	b.files++
	return b.copy(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Mode: int64(info.Mode().Perm()), Size: info.Size(), ModTime: info.ModTime(),
	}, f)
}

// tree writes a directory and all below it. What was removed since its name was
// read is left out, and so is what is neither a directory nor a regular file.
func (b *backup) tree(root *os.Root, name string) error {
	return fs.WalkDir(root.FS(), name, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if cut, _ := path.Match(unfinished, name); cut {
			return fs.SkipDir
		}
		switch d.Type() {
		case fs.ModeDir:
			return b.copy(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o700}, strings.NewReader(""))
		case 0:
			f, err := root.Open(name)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			defer f.Close()
			return b.file(name, f)
		}
		return nil
	})
}

// errBackup says that what is to be restored is no whole backup.
var errBackup = errors.New("not a whole backup of posko")

// Unpack writes the content of a backup to the new directory dir (mode 0700)
// and makes sure that it is whole. It returns the number of files. On an error
// nothing is left of dir.
func Unpack(ctx context.Context, r io.Reader, dir string) (files int, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	in, sum := tar.NewReader(r), sha256.New()
	for n := 0; ; n++ {
		h, err := in.Next()
		if err != nil {
			return 0, errors.Join(errBackup, err)
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		name := strings.TrimSuffix(h.Name, "/")
		switch {
		case n == 0 && name != backupHead:
			return 0, errBackup
		case name == backupEnd:
			return files, ended(in, sum)
		}
		note(sum, h)
		if err := unpackEntry(root, h, name, io.TeeReader(in, sum)); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = fmt.Errorf("%w: %w", errBackup, err)
			}
			return 0, fmt.Errorf("%q: %w", h.Name, err)
		}
		if h.Typeflag == tar.TypeReg && name != backupHead {
			files++
		}
	}
}

// ended compares the hash at a backup's end with what was read.
func ended(in io.Reader, sum hash.Hash) error {
	want, err := io.ReadAll(io.LimitReader(in, 2*sha256.Size+1))
	if err != nil || strings.TrimSpace(string(want)) != hex.EncodeToString(sum.Sum(nil)) {
		return errors.Join(errBackup, err)
	}
	return nil
}

// unpackEntry makes one directory or file, durably. A name leads nowhere but
// into root, whatever it is.
func unpackEntry(root *os.Root, h *tar.Header, name string, content io.Reader) error {
	switch {
	case name == backupHead:
		_, err := io.Copy(io.Discard, content)
		return err
	case h.Typeflag == tar.TypeDir:
		return root.Mkdir(name, 0o700)
	case h.Typeflag != tar.TypeReg:
		return errBackup
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(h.Mode)&0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return root.Chtimes(name, h.ModTime, h.ModTime)
}
