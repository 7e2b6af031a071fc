package sandbox

import (
	"cmp"
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
	room      *Reservation
	size      int64 // of the whole file, or Unknown
	parent    dir   // where it will be published
	tmp       dir
	tmpName   string
	f         *os.File
	written   int64 // with what was kept of an upload that broke off
	unchecked int64 // bytes since the last look at the free space
	published bool
	err       error // what every call returns from now on
}

// Create begins the upload of the file at path, which is replaced if it exists.
// size is its exact length in bytes, or [Unknown]. It is [Box.Reserve] and
// [Box.Upload] in one.
func (b *Box) Create(path string, size int64) (*Upload, error) {
	r, err := b.Reserve(path, 0, size)
	if err != nil {
		return nil, err
	}
	return b.Upload(path, 0, r)
}

// Upload begins the upload of the file at path, which is replaced if it exists,
// with the room that r holds; r is used up, also by an error. If r is of
// another root than path, or empty, its room is exchanged for some there. from is 0, or
// the number of bytes that [Box.Partial] has returned, behind which this upload
// goes on; [ErrNoPartial] says that this cannot be. What is kept of the same
// upload is given up by one that begins at 0.
func (b *Box) Upload(path string, from int64, r *Reservation) (_ *Upload, err error) {
	defer func() {
		if err != nil {
			r.Release()
		}
	}()
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
	if r.claim(); r.tree != p.tree || r.empty {
		r.Release()
		if r, err = p.reserve(from, r.size); err != nil {
			return nil, err
		}
	}
	// Until the temporary file is there, the tree shall not be removed.
	p.mu.RLock()
	defer p.mu.RUnlock()
	parent, err := p.parent()
	if err != nil {
		return nil, err
	}
	u := &Upload{box: b, path: path, at: p, room: r, size: r.size, parent: parent, tmpName: rand.Text(), written: from}
	defer func() {
		if err != nil {
			u.end()
		}
	}()
	target, err := p.target(parent)
	if err != nil {
		return nil, err
	}
	if u.tmp, err = walk(p.tmp, nil); err != nil {
		return nil, err
	}
	if err := u.open(digestPath(p.names), digestFile(target)); err != nil {
		return nil, err
	}
	return u, nil
}

// open makes the temporary file of a new upload, or takes what is kept of one
// that broke off. The hashes are those of the path and of the file there.
func (u *Upload) open(path, target string) (err error) {
	if u.size != Unknown {
		u.size += u.written
		u.tmpName = partial{target: target}.name(path) + "." + u.tmpName
	}
	if u.written > 0 {
		if u.f, err = u.at.resume(u.tmp, path, target, u.tmpName, u.written); err != nil {
			return err
		}
		u.room.adopt(u.written)
		return nil
	}
	u.at.book.mu.Lock()
	err = u.at.drop(path)
	u.at.book.mu.Unlock()
	if err == nil {
		err = u.room.needFile()
	}
	if err == nil {
		u.f, err = u.tmp.create(u.tmpName)
	}
	return err
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
		if err := u.at.disk.room(u.f, int64(len(p)), u.room.owed); err != nil {
			return 0, u.fail(err)
		}
	}
	if u.size == Unknown {
		if err := u.room.grow(int64(len(p))); err != nil {
			return 0, u.fail(err)
		}
	}
	n, err := u.at.disk.sys.write(u.f, p)
	u.written += int64(n)
	u.room.wrote(int64(n))
	if err != nil {
		return n, u.fail(refusal(err))
	}
	return n, nil
}

// Commit publishes the file, durably and in place of one that may be there,
// which goes to the trash if there is one. After any error but [ErrUncertain]
// nothing has changed under its name. The parent directory must still be where
// it was when the upload began; if ctx has ended, nothing is published.
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
	switch {
	case err != nil:
	case p.tree != u.at.tree: // of a group that has taken over the name
		err = ErrNotFound
	default:
		err = p.mayAdd()
	}
	if err != nil {
		return u.fail(err)
	}
	u.at.access = p.access
	if err := u.inPlace(); err != nil {
		return u.fail(err)
	}
	err = u.publish()
	if u.published {
		u.room.leave(u.written, 1)
		err = cmp.Or(err, u.at.settle(u.parent))
		u.fail(errEnded)
		return err
	}
	return u.fail(err)
}

// publish gives the file its name. An error leaves everything as it was, unless
// u.published is set.
func (u *Upload) publish() error {
	u.at.naming.Lock()
	defer u.at.naming.Unlock()
	old, err := u.at.target(u.parent)
	if err != nil {
		return err
	}
	if old != nil && u.at.disk.options().Trash > 0 {
		return u.supersede(old)
	}
	if err := u.at.disk.sys.replace(u.tmp, u.tmpName, u.parent, u.at.name()); err != nil {
		return refusal(err)
	}
	u.published = true
	if old != nil {
		u.at.book.give(old.Size, 1)
	}
	return nil
}

// Abort gives the upload up. What was received of one of known size, without an
// error so far, is kept for the time that the options say, see [Box.Partial].
// After Commit it does nothing, so it can be deferred.
func (u *Upload) Abort() {
	if u.err == nil && u.size > 0 && u.written > 0 && u.at.disk.options().Partial > 0 && u.keep() == nil {
		u.room.leave(u.written, 1)
		u.published = true // under another name, but temporary no more
	}
	u.fail(errEnded)
}

// fail ends the upload: from now on it returns err, and what was received of it
// is gone.
func (u *Upload) fail(err error) error {
	if u.err == nil {
		u.err = err
		u.end()
	}
	return u.err
}

// end closes what was opened so far, removes the temporary file, unless it is
// temporary no more, and then gives back the room that it took.
func (u *Upload) end() {
	if u.f != nil {
		u.f.Close()
		if !u.published {
			u.tmp.unlink(u.tmpName)
		}
	}
	u.tmp.close()
	u.parent.close()
	u.room.Release()
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

// target looks up the file that an upload to p replaces; nil if the name is
// free. What was put there by hand is left alone.
func (p place) target(parent dir) (*unix.Stat_t, error) {
	st, err := parent.lstat(p.name())
	if errors.Is(err, unix.ENOENT) {
		if p.slash {
			return nil, ErrName // a file's name does not end in a slash
		}
		return nil, nil
	}
	if err != nil {
		return nil, refusal(err)
	}
	switch e, ok := entry(p.name(), &st); {
	case !ok:
		return nil, ErrExists
	case e.Dir:
		return nil, ErrIsDir
	}
	if err := p.fits(Entry{}); err != nil {
		return nil, err
	}
	return &st, p.mayChange()
}
