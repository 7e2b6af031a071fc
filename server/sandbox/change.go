package sandbox

import (
	"cmp"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Mkdir makes a directory. Its parent must be there.
func (b *Box) Mkdir(path string) error {
	p, err := b.place(path, ErrDenied)
	if err != nil {
		return err
	}
	if err := p.mayAdd(); err != nil {
		return err
	}
	if p.isRoot() {
		return ErrExists
	}
	if err := p.counted(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	parent, err := p.parent()
	if err != nil {
		return err
	}
	defer parent.close()
	return p.addDir(parent, p.name())
}

// addDir makes a directory, durably. The caller holds the tree's lock for
// writing.
func (t *tree) addDir(parent dir, name string) error {
	if err := t.takeDir(); err != nil {
		return err
	}
	if err := parent.mkdir(name); err != nil {
		t.giveDir()
		return err
	}
	return t.settle(parent)
}

// Rmdir removes an empty directory. One that holds only what clients cannot see
// is not empty.
func (b *Box) Rmdir(path string) error {
	p, err := b.place(path, ErrDenied)
	if err != nil {
		return err
	}
	if err := p.mayChange(); err != nil {
		return err
	}
	if p.isRoot() {
		return ErrDenied
	}
	if err := p.counted(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	parent, err := p.parent()
	if err != nil {
		return err
	}
	defer parent.close()
	if _, err := parent.stat(p.name()); err != nil {
		return err
	}
	if err := parent.rmdir(p.name()); err != nil {
		return err
	}
	p.giveDir()
	return p.settle(parent)
}

// Remove removes a file, into the trash if there is one. A directory is
// [ErrIsDir].
func (b *Box) Remove(path string) error {
	p, err := b.place(path, ErrDenied)
	if err != nil {
		return err
	}
	if err := p.mayChange(); err != nil {
		return err
	}
	if p.isRoot() {
		return ErrIsDir
	}
	if err := p.counted(); err != nil {
		return err
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	parent, err := p.parent()
	if err != nil {
		return err
	}
	defer parent.close()
	if err := p.remove(parent); err != nil {
		return err
	}
	return p.settle(parent)
}

// remove takes the name of a file away.
func (p place) remove(parent dir) error {
	p.naming.Lock()
	defer p.naming.Unlock()
	e, err := parent.stat(p.name())
	switch {
	case err != nil:
		return err
	case e.Dir:
		return ErrIsDir
	case p.slash:
		return ErrNotDir
	}
	return p.discard(parent, p, e.Size)
}

// Rename gives a file or directory another path within its tree. A taken name
// is [ErrExists]; a directory moved into itself is [ErrDenied].
func (b *Box) Rename(from, to string) error {
	src, err := b.place(from, ErrDenied)
	if err != nil {
		return err
	}
	dst, err := b.place(to, ErrDenied)
	if err != nil {
		return err
	}
	if err := cmp.Or(src.mayChange(), dst.mayChange()); err != nil {
		return err
	}
	switch {
	case src.isRoot() || src.tree != dst.tree:
		return ErrDenied
	case dst.isRoot():
		return ErrExists
	}
	if err := src.counted(); err != nil {
		return err
	}
	src.mu.Lock()
	defer src.mu.Unlock()
	srcDir, err := src.parent()
	if err != nil {
		return err
	}
	defer srcDir.close()
	e, err := srcDir.stat(src.name())
	if err != nil {
		return err
	}
	if err := src.fits(e); err != nil {
		return err
	}
	if n := len(src.names); e.Dir && len(dst.names) > n && slices.Equal(dst.names[:n], src.names) {
		return ErrDenied
	}
	dstDir, err := dst.parent()
	if err != nil {
		return err
	}
	defer dstDir.close()
	if err := dst.fits(e); err != nil {
		return err
	}
	if err := move(srcDir, src.name(), dstDir, dst.name()); err != nil {
		return err
	}
	// The new name first: better two names after a power cut than none.
	if err := src.settle(dstDir); err != nil {
		return err
	}
	return src.settle(srcDir)
}

// SetModTime sets the time of the last change of the file at path, durably, and
// returns the file as it is then: a filesystem may keep less than the time says.
func (b *Box) SetModTime(path string, at time.Time) (Entry, error) {
	p, err := b.place(path, ErrDenied)
	if err == nil {
		err = p.mayChange()
	}
	if err != nil {
		return Entry{}, err
	}
	if p.isRoot() {
		return Entry{}, ErrIsDir
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	parent, err := p.parent()
	if err != nil {
		return Entry{}, err
	}
	defer parent.close()
	p.naming.Lock()
	defer p.naming.Unlock()
	f, err := parent.open(p.name())
	if err != nil {
		return Entry{}, err
	}
	defer f.Close()
	if err := p.fits(f.Entry); err != nil {
		return Entry{}, err
	}
	mtime, err := unix.TimeToTimespec(at)
	if err != nil {
		return Entry{}, refusal(err)
	}
	if err := parent.setTimes(p.name(), mtime); err != nil {
		return Entry{}, err
	}
	if err := p.disk.sys.sync(f.f); err != nil {
		return Entry{}, uncertain(err)
	}
	return parent.stat(p.name())
}

// settle makes the names in d durable.
func (t *tree) settle(d dir) error {
	if err := t.disk.sys.sync(d.f); err != nil {
		return uncertain(err)
	}
	return nil
}
