package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Unknown is the size of an upload that ends when it ends.
const Unknown = -1

var errEnded = errors.New("sandbox: the upload has ended")

// checkEvery is how many bytes an upload takes between two looks at the free
// space.
const checkEvery = 1 << 20

// An Upload is a file that is being received: hidden until [Upload.Commit]
// publishes it whole. It belongs to one goroutine, which ends it by Commit or
// [Upload.Abort].
type Upload struct {
	box       *Box
	path      string
	at        place
	size      int64
	parent    dir // where it will be published
	tmp       dir
	tmpName   string
	f         *os.File
	written   int64
	unchecked int64 // bytes since the last look at the free space
	err       error // what every call returns from now on
}

// Room returns [ErrNoSpace] if there is no room for a file of size bytes now.
func (b *Box) Room(size int64) error {
	top, err := walk(b.tree.tmp, nil)
	if err != nil {
		return err
	}
	defer top.close()
	return b.tree.disk.room(top.f, size)
}

// Create begins the upload of the file at path, which is replaced if it exists.
// size is its exact length in bytes, or [Unknown].
func (b *Box) Create(path string, size int64) (_ *Upload, err error) {
	p, err := b.place(path, ErrDenied)
	if err != nil {
		return nil, err
	}
	if err := p.mayAdd(); err != nil {
		return nil, err
	}
	if p.isRoot() {
		return nil, ErrIsDir
	}
	// Until the temporary file is there, the tree shall not be removed.
	p.mu.RLock()
	defer p.mu.RUnlock()
	parent, err := p.parent()
	if err != nil {
		return nil, err
	}
	u := &Upload{box: b, path: path, at: p, size: size, parent: parent, tmpName: rand.Text()}
	defer func() {
		if err != nil {
			u.end()
		}
	}()
	if err := u.replaceable(); err != nil {
		return nil, err
	}
	if u.tmp, err = walk(p.tmp, nil); err != nil {
		return nil, err
	}
	if err := p.disk.room(u.tmp.f, max(size, 0)); err != nil {
		return nil, err
	}
	if u.f, err = u.tmp.create(u.tmpName); err != nil {
		return nil, err
	}
	return u, nil
}

// Write appends p. After an error the temporary file is already gone, and
// every further call returns the same.
func (u *Upload) Write(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	if u.size >= 0 && int64(len(p)) > u.size-u.written {
		return 0, u.fail(ErrLength)
	}
	if u.unchecked += int64(len(p)); u.unchecked >= checkEvery {
		u.unchecked = 0
		if err := u.at.disk.room(u.f, int64(len(p))); err != nil {
			return 0, u.fail(err)
		}
	}
	n, err := u.at.disk.sys.write(u.f, p)
	u.written += int64(n)
	if err != nil {
		return n, u.fail(refusal(err))
	}
	return n, nil
}

// Commit publishes the file, durably and in place of one that may be there.
// After any error but [ErrUncertain] nothing has changed under its name. The
// parent directory must still be where it was when the upload began; if ctx has
// ended, nothing is published.
func (u *Upload) Commit(ctx context.Context) error {
	if u.err != nil {
		return u.err
	}
	if u.size >= 0 && u.written != u.size {
		return u.fail(ErrLength)
	}
	if err := u.at.disk.sys.sync(u.f); err != nil {
		return u.fail(refusal(err))
	}
	u.at.mu.RLock()
	defer u.at.mu.RUnlock()
	if err := ctx.Err(); err != nil {
		return u.fail(err)
	}
	// What the account may do has perhaps changed.
	p, err := u.box.place(u.path, ErrDenied)
	if err == nil {
		err = p.mayAdd()
	}
	if err != nil {
		return u.fail(err)
	}
	u.at.access = p.access
	if err := u.inPlace(); err != nil {
		return u.fail(err)
	}
	if err := u.replaceable(); err != nil {
		return u.fail(err)
	}
	if err := u.publish(); err != nil {
		return u.fail(err)
	}
	err = u.at.settle(u.parent)
	u.fail(errEnded)
	return err
}

// publish gives the file its name. Where no file may be replaced, the kernel
// sees to it that none is, whoever gives one that name at this moment.
func (u *Upload) publish() error {
	if u.at.mayChange() == nil {
		return refusal(u.at.disk.sys.replace(u.tmp, u.tmpName, u.parent, u.at.name()))
	}
	err := move(u.tmp, u.tmpName, u.parent, u.at.name())
	if err == ErrExists {
		err = ErrDenied
	}
	return err
}

// Abort gives the upload up. After Commit it does nothing, so it can be
// deferred.
func (u *Upload) Abort() { u.fail(errEnded) }

// fail ends the upload: from now on it returns err, and what was received of it
// is gone.
func (u *Upload) fail(err error) error {
	if u.err == nil {
		u.err = err
		u.end()
	}
	return u.err
}

// end closes what was opened so far and removes the temporary file, unless it
// has been published and is temporary no more.
func (u *Upload) end() {
	if u.f != nil {
		u.f.Close()
		u.tmp.unlink(u.tmpName)
	}
	u.tmp.close()
	u.parent.close()
}

// inPlace checks that the path still leads to the directory it led to when the
// upload began. Holding that directory open keeps its number from being given
// to another.
func (u *Upload) inPlace() error {
	now, err := u.at.parent()
	if err != nil {
		return err
	}
	defer now.close()
	is, err := now.f.Stat()
	if err != nil {
		return refusal(err)
	}
	was, err := u.parent.f.Stat()
	if err != nil {
		return refusal(err)
	}
	if !os.SameFile(is, was) {
		return ErrNotFound
	}
	return nil
}

// replaceable checks that the name is free or a file's. What was put there by
// hand is left alone.
func (u *Upload) replaceable() error {
	st, err := u.parent.lstat(u.at.name())
	if errors.Is(err, unix.ENOENT) {
		if u.at.slash {
			return ErrName // a file's name does not end in a slash
		}
		return nil
	}
	if err != nil {
		return refusal(err)
	}
	switch e, ok := entry(u.at.name(), &st); {
	case !ok:
		return ErrExists
	case e.Dir:
		return ErrIsDir
	}
	if err := u.at.fits(Entry{}); err != nil {
		return err
	}
	return u.at.mayChange()
}
