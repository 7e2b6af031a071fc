package sandbox

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// A Quota bounds what a root may hold: an account's or a group's. 0 is no
// bound. Directories are not among the files, but there may be no more of them
// than of those.
type Quota struct{ Bytes, Files int64 }

// A Usage is what counts against a [Quota]: the files that clients see, the
// trash, what is kept of uploads that broke off, and what is reserved for
// uploads under way. A file counts with its length.
type Usage struct{ Bytes, Files int64 }

// A book is kept of each root from its first use on, and outlives its tree.
// Whatever changes what a root holds is entered under mu in the same breath. It
// begins with a count (see tree.counted), before which nothing may change.
type book struct {
	disk *Disk

	own atomic.Int64 // of the Terms: the quota's bytes, or Default

	mu      sync.Mutex
	counted bool
	used    Usage
	dirs    int64
	trash   []Version // the oldest first; what is in it is never changed
	paths   int       // bytes of the paths in the trash
	last    int64     // the time of the last id that was given, in milliseconds
	kept    map[string]partial
	// waiting are the reservations that no upload has used yet, of those who might
	// lose the right to: whether they still have it.
	waiting map[*Reservation]func() bool
}

// limit returns the quota.
func (b *book) limit() Quota {
	q := b.disk.options().Quota
	if own := b.own.Load(); own != Default {
		q.Bytes = own
	}
	return q
}

// book returns the book of id. The caller holds mu.
func (d *Disk) book(id int64) *book {
	b := d.books[id]
	if b == nil {
		b = &book{disk: d}
		b.own.Store(Default)
		d.books[id] = b
	}
	return b
}

// Quota returns what is used of the root that holds path, or else of the
// account's own, and its bounds.
func (b *Box) Quota(path string) (Usage, Quota, error) {
	p, err := b.near(path)
	if err != nil {
		return Usage{}, Quota{}, err
	}
	if err := p.counted(); err != nil {
		return Usage{}, Quota{}, err
	}
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	return p.book.used, p.book.limit(), nil
}

// take enters more bytes and files, or returns [ErrQuota] and changes nothing.
// Where the quota is short the oldest versions in the trash give way, if that
// is enough.
func (t *tree) take(bytes, files int64) error {
	b := t.book
	if err := b.fits(bytes, files); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.inTheWay(bytes, files)
	if err != nil {
		return err
	}
	if err := t.evict(n); err != nil {
		return err
	}
	b.used.Bytes += bytes
	b.used.Files += files
	return nil
}

// fits returns the error of take without taking anything.
func (b *book) fits(bytes, files int64) error {
	look := func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		_, err := b.inTheWay(bytes, files)
		return err
	}
	err := look()
	if err != nil && b.reclaim() {
		err = look()
	}
	return err
}

// reclaim takes back what is reserved for those who may not use it any more, if
// there is something.
func (b *book) reclaim() (some bool) {
	b.mu.Lock()
	waiting := maps.Clone(b.waiting)
	b.mu.Unlock()
	for r, may := range waiting {
		if may() { // which is not asked under mu
			continue
		}
		b.mu.Lock()
		if b.waiting[r] != nil {
			delete(b.waiting, r)
			b.subtract(r.bytes, r.files)
			b.disk.promised.Add(-r.owed)
			r.bytes, r.files, r.owed, r.empty = 0, 0, 0, true
			some = true
		}
		b.mu.Unlock()
	}
	return some
}

// inTheWay is how many of the oldest versions in the trash have to go for more
// bytes and files, or [ErrQuota]. The caller holds mu.
func (b *book) inTheWay(bytes, files int64) (n int, err error) {
	q := b.limit()
	free := Usage{q.Bytes - b.used.Bytes, q.Files - b.used.Files}
	fits := func() bool {
		return (q.Bytes == 0 || bytes == 0 || bytes <= free.Bytes) && (q.Files == 0 || files == 0 || files <= free.Files)
	}
	for ; !fits(); n++ {
		if n == len(b.trash) {
			return 0, ErrQuota
		}
		free.Bytes += b.trash[n].Size
		free.Files++
	}
	return n, nil
}

// give enters that there are fewer bytes and files.
func (b *book) give(bytes, files int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subtract(bytes, files)
}

// subtract is give for one who holds mu. What somebody has put there by hand
// was never counted, so that there may be less in the book than goes.
func (b *book) subtract(bytes, files int64) {
	b.used.Bytes = max(0, b.used.Bytes-bytes)
	b.used.Files = max(0, b.used.Files-files)
}

// takeDir enters one more directory, or returns [ErrQuota].
func (t *tree) takeDir() error {
	b := t.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if most := b.limit().Files; most > 0 && b.dirs >= most {
		return ErrQuota
	}
	b.dirs++
	return nil
}

// giveDir enters that there is one directory less.
func (t *tree) giveDir() {
	t.book.mu.Lock()
	defer t.book.mu.Unlock()
	t.book.dirs = max(0, t.book.dirs-1)
}

// A Reservation is room for one upload, in the quota of its root and on the
// disk. It belongs to one goroutine, which hands it to [Box.Upload] or calls
// [Reservation.Release]; until then it may be reclaimed.
type Reservation struct {
	tree         *tree
	size         int64 // or Unknown
	bytes, files int64 // entered in the book
	owed         int64 // those of bytes that the disk still has to take
	empty        bool  // nothing was taken, or it was reclaimed
}

// Reserve finds room for the size bytes, or [Unknown], that are still to come of
// a file in the root that holds path, or else in the account's own, the first
// from of which are kept from an upload that broke off (0: none). Too much for the quota is [ErrQuota], too
// much for the disk [ErrNoSpace]. A reservation of Unknown size grows with the
// upload. For who may not store anything there nothing is taken, neither from
// others nor from the trash: Upload refuses it, or finds room where it goes.
func (b *Box) Reserve(path string, from, size int64) (*Reservation, error) {
	p, err := b.near(path)
	if err != nil {
		return nil, err
	}
	if p.mayAdd() != nil {
		return &Reservation{tree: p.tree, size: size, empty: true}, nil
	}
	r, err := p.reserve(from, size)
	if err == nil && p.folder != "" {
		r.wait(func() bool {
			now, err := b.place(path, ErrDenied)
			return err == nil && now.tree == p.tree && now.mayAdd() == nil
		})
	}
	return r, err
}

func (t *tree) reserve(from, size int64) (*Reservation, error) {
	if err := t.counted(); err != nil {
		return nil, err
	}
	top, err := walk(t.tmp, nil)
	if err != nil {
		return nil, err
	}
	defer top.close()
	r := &Reservation{tree: t, size: size, bytes: max(size, 0)}
	if from == 0 {
		r.files = 1 // what is kept counts as one already
	}
	// Asked first, so that the answer is about the quota where that is short, and
	// taken last, so that no trash gives way to what the disk refuses.
	if err := t.book.fits(r.bytes, r.files); err != nil {
		return nil, err
	}
	if err := t.disk.promise(top.f, r.bytes); err != nil {
		return nil, err
	}
	r.owed = r.bytes
	if err := t.take(r.bytes, r.files); err != nil {
		t.disk.promised.Add(-r.owed)
		return nil, err
	}
	return r, nil
}

// Size is how many bytes are still to come, or [Unknown].
func (r *Reservation) Size() int64 { return r.size }

// wait has r reclaimed where room is short and may denies that it will be used.
func (r *Reservation) wait(may func() bool) {
	b := r.tree.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == nil {
		b.waiting = map[*Reservation]func() bool{}
	}
	b.waiting[r] = may
}

// claim sees to it that r is not reclaimed from now on.
func (r *Reservation) claim() {
	b := r.tree.book
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiting, r)
}

// grow takes n more bytes of the quota.
func (r *Reservation) grow(n int64) error {
	err := r.tree.take(n, 0)
	if err == nil {
		r.bytes += n
	}
	return err
}

// adopt takes over the n bytes and the file that are in the book for what was
// kept of an upload.
func (r *Reservation) adopt(n int64) {
	r.tree.book.give(0, r.files)
	r.bytes, r.files = r.bytes+n, 1
}

// needFile takes a file of the quota, unless that has been done.
func (r *Reservation) needFile() error {
	if r.files > 0 {
		return nil
	}
	err := r.tree.take(0, 1)
	if err == nil {
		r.files = 1
	}
	return err
}

// wrote notes that the disk has taken n bytes.
func (r *Reservation) wrote(n int64) {
	n = min(n, r.owed)
	r.owed -= n
	r.tree.disk.promised.Add(-n)
}

// Release gives back what is still reserved. It may be called again, and on nil.
func (r *Reservation) Release() {
	if r != nil {
		r.claim()
		r.leave(0, 0)
	}
}

// leave ends the reservation, and leaves bytes and files of it in the book for
// what is now there.
func (r *Reservation) leave(bytes, files int64) {
	r.wrote(r.owed)
	r.tree.book.give(r.bytes-bytes, r.files-files)
	r.bytes, r.files = 0, 0
}

// expired tells whether what is to be kept for a while, since at, is due.
func expired(at time.Time, keep time.Duration) bool { return time.Since(at) >= keep }
