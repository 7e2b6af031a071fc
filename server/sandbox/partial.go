package sandbox

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A partial is what is kept of an upload of known size that broke off. Its name
// in tmp says all that there is to know: a hash of the path, and one of the
// file that had the path when the upload began. So it is found again after a
// restart, and never once that file has changed. There is one for a path.
//
// While bytes are added the name has a random part behind a dot. What a crash
// leaves under such a name is kept unless the machine itself has gone down
// since: only an fsync makes sure that the bytes before the last one are there.
type partial struct {
	target string
	size   int64
	at     time.Time
}

func (part partial) name(path string) string { return path + "-" + part.target }

// digest is how a path, or a file's state, stands in the name of a partial.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:20])
}

// digestLen is the length of a digest.
const digestLen = 32

func digestPath(names []string) string { return digest([]byte(strings.Join(names, "/"))) }

// digestFile returns a digest that changes with the file; nil is none.
func digestFile(st *unix.Stat_t) string {
	if st == nil {
		return digest(nil)
	}
	var b []byte
	for _, n := range []int64{
		int64(st.Ino), st.Size, int64(st.Mtim.Sec), int64(st.Mtim.Nsec), int64(st.Ctim.Sec), int64(st.Ctim.Nsec),
	} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return digest(b)
}

// parsePartial takes apart a name in tmp: the digests, and whether it was being
// written to.
func parsePartial(name string) (path, target string, open, ok bool) {
	name, _, open = strings.Cut(name, ".")
	path, target, ok = strings.Cut(name, "-")
	return path, target, open, ok && len(path) == digestLen && len(target) == digestLen
}

// Partial returns how many bytes are kept of an upload of the file at path that
// broke off, to be gone on with by [Box.Upload]; 0 if there are none, if
// somebody is going on with them, or if the file at path has changed since.
func (b *Box) Partial(path string) (int64, error) {
	if b.folders(path) != nil {
		return 0, ErrIsDir
	}
	p, err := b.place(path, ErrNotFound)
	if err != nil {
		return 0, err
	}
	if p.isRoot() {
		return 0, ErrIsDir
	}
	if err := p.counted(); err != nil {
		return 0, err
	}
	parent, err := p.parent()
	if err != nil {
		return 0, err
	}
	defer parent.close()
	st, err := p.target(parent)
	if err == ErrExists { // put there by hand: nothing can be uploaded there
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	part, ok := p.book.kept[digestPath(p.names)]
	if !ok || part.target != digestFile(st) {
		return 0, nil
	}
	return part.size, nil
}

// resume opens what is kept of the upload of path, exactly from bytes, for
// writing under the name name, which is in tmp. It is its caller's alone from
// then on.
func (t *tree) resume(tmp dir, path, target, name string, from int64) (*os.File, error) {
	b := t.book
	b.mu.Lock()
	defer b.mu.Unlock()
	part, ok := b.kept[path]
	if !ok || part.target != target || part.size != from {
		return nil, ErrNoPartial
	}
	fd, err := tmp.openat(part.name(path), unix.O_WRONLY|unix.O_APPEND, 0)
	if err != nil {
		return nil, refusal(err)
	}
	f := os.NewFile(uintptr(fd), name)
	info, err := f.Stat()
	switch {
	case err != nil:
		err = refusal(err)
	case !info.Mode().IsRegular() || info.Size() != from:
		err = ErrNoPartial
	default:
		err = move(tmp, part.name(path), tmp, name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	delete(b.kept, path)
	return f, nil
}

// keep makes a partial of an upload, whose reservation it ends. It takes the
// place of an older one.
func (u *Upload) keep() error {
	if err := u.at.disk.sys.sync(u.f); err != nil {
		return err
	}
	path, target, _, _ := parsePartial(u.tmpName)
	part := partial{target, u.written, time.Now()}
	u.at.mu.RLock()
	defer u.at.mu.RUnlock()
	b := u.at.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := u.at.drop(path); err != nil {
		return err
	}
	if err := move(u.tmp, u.tmpName, u.tmp, part.name(path)); err != nil {
		return err
	}
	b.kept[path] = part
	return nil
}

// settlePartial makes durable what a crash left of an upload under the name
// open, and gives it its name.
func (t *tree) settlePartial(tmp dir, open, name string) error {
	fd, err := tmp.openat(open, unix.O_WRONLY, 0)
	if err != nil {
		return refusal(err)
	}
	f := os.NewFile(uintptr(fd), open)
	defer f.Close()
	if err := t.disk.sys.sync(f); err != nil {
		return refusal(err)
	}
	return move(tmp, open, tmp, name)
}

// drop removes what is kept of an upload of path, if there is something. The
// caller holds the book's lock.
func (t *tree) drop(path string) error {
	part, ok := t.book.kept[path]
	if !ok {
		return nil
	}
	tmp, err := walk(t.tmp, nil)
	if err != nil {
		return err
	}
	defer tmp.close()
	if err := tmp.unlink(part.name(path)); err != nil && err != ErrNotFound {
		return err
	}
	delete(t.book.kept, path)
	t.book.subtract(part.size, 1)
	return nil
}

// reconcileUploads enters what is kept of uploads, and removes the rest of what
// is in tmp. The caller holds the book's lock.
func (t *tree) reconcileUploads() error {
	tmp, err := walk(t.tmp, nil)
	if err != nil {
		return err
	}
	defer tmp.close()
	names, err := tmp.names()
	if err != nil {
		return err
	}
	boot := bootTime()
	found := map[string]bool{}
	for _, name := range names {
		path, target, open, ok := parsePartial(name)
		if !ok || t.disk.options().Partial == 0 {
			continue
		}
		e, err := tmp.lstat(name)
		at := time.Unix(int64(e.Mtim.Sec), int64(e.Mtim.Nsec))
		if err != nil || e.Mode&unix.S_IFMT != unix.S_IFREG || e.Nlink != 1 || e.Size == 0 {
			continue
		}
		part := partial{target, e.Size, at}
		if old, twice := t.book.kept[path]; open && at.Before(boot) || twice && old.at.After(at) {
			continue
		}
		if err := t.drop(path); err != nil {
			return err
		}
		if open {
			if err := t.settlePartial(tmp, name, part.name(path)); err != nil {
				return err
			}
		}
		t.book.kept[path] = part
		t.book.used.Bytes += part.size
		t.book.used.Files++
		found[part.name(path)] = true
	}
	return tmp.clear(func(name string) bool { return found[name] })
}
