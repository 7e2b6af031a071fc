package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// The directories of an id.
const (
	dataDir  = "data"
	tmpDir   = "tmp"
	trashDir = "trash"
)

// Options are the settings of a [Disk].
type Options struct {
	// Reserve is how many bytes uploads leave free on the filesystem for
	// everybody else.
	Reserve int64
	// Rate bounds an account's transfers where its Terms have the Default:
	// bytes a second of all of them together, 0 for no bound.
	Rate int64
	// Quota bounds what a root may hold. Its bytes are for those whose Terms have
	// the Default.
	Quota Quota

	// Trash is how long a version that was removed or replaced is kept for
	// [Box.Undelete], unless its quota gets short; 0 keeps none.
	Trash time.Duration
	// Partial is how long an upload of known size that broke off is kept for
	// whoever goes on with it; 0 keeps none.
	Partial time.Duration
}

// A Disk is a directory of trees, one for each id. Its methods may be called
// from any goroutine.
type Disk struct {
	root  *os.Root
	store Store
	opts  atomic.Pointer[Options]
	sys   calls

	space    sync.Mutex   // of a look at the free space and the promise that follows
	promised atomic.Int64 // bytes that are reserved and not on the disk yet

	// granting is held while terms are read or changed and put into force, so
	// that the last ones stay. It comes before mu.
	granting sync.Mutex

	hashing chan struct{} // holds one for each file being hashed

	mu    sync.Mutex
	trees map[int64]*tree // in use or being removed
	books map[int64]*book
}

// calls are the system calls whose failure must never go unnoticed. Tests make
// each of them fail.
type calls struct {
	write    func(f *os.File, p []byte) (int, error)
	sync     func(f *os.File) error
	replace  func(from dir, name string, to dir, newName string) error
	exchange func(one dir, name string, other dir, otherName string) error
	free     func(f *os.File) (int64, error)
}

// A tree is what all sessions of one id share.
type tree struct {
	disk *Disk
	id   int64
	book *book

	data, tmp, trash *os.Root // closed when the last Box is, or the tree is removed

	access atomic.Int32 // an Access
	pace   atomic.Pointer[pace]

	// mu is held for reading by changes of files and for writing by changes
	// of directories and of names, each until it is durable. So nothing is
	// acknowledged that rests on a directory which a power cut could take back,
	// and what a change has looked at holds until it is done. Those who only
	// read take no lock.
	mu sync.RWMutex

	// naming is held by a change of what the name of a file leads to, from the
	// look at what that is until it is in the book.
	naming sync.Mutex

	hashing chan struct{} // holds one while a file is being hashed

	// Guarded by disk.mu:
	terms Terms
	boxes int
	gone  bool // being removed
}

// SetOptions replaces the options. Uploads under way follow them as well.
func (d *Disk) SetOptions(opts Options) {
	d.opts.Store(&opts)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.trees {
		t.grant(t.terms)
	}
}

func (d *Disk) options() *Options { return d.opts.Load() }

// Open opens the directory dir, and creates it if it is missing. The store may
// be nil where nobody's terms differ from those of the options. No other
// process may have it open. [Disk.Tend] should be called soon.
func Open(dir string, store Store, opts Options) (*Disk, error) {
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil:
		above, err := os.Open(filepath.Dir(filepath.Clean(dir)))
		if err != nil {
			return nil, refusal(err)
		}
		err = above.Sync()
		above.Close()
		if err != nil {
			return nil, refusal(err)
		}
	case !errors.Is(err, fs.ErrExist):
		return nil, refusal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, refusal(err)
	}
	d := &Disk{
		root: root, store: store,
		sys:   calls{(*os.File).Write, (*os.File).Sync, replace, exchange, freeBytes},
		trees: make(map[int64]*tree),
		books: make(map[int64]*book),

		hashing: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	d.SetOptions(opts)
	return d, nil
}

// Close releases the directory. Boxes still open work on until they are closed.
func (d *Disk) Close() error { return d.root.Close() }

// Account opens the tree of the account id, a number above 0, and creates it if
// it is missing. The caller has made sure that there is such an account and
// closes the Box. While the account is being removed, it is [ErrNotFound].
func (d *Disk) Account(ctx context.Context, id int64, groups Groups) (*Box, error) {
	d.granting.Lock()
	defer d.granting.Unlock()
	terms, err := d.Terms(ctx, id)
	if err != nil {
		return nil, err
	}
	t, err := d.hold(id, terms)
	if err != nil {
		return nil, err
	}
	return &Box{tree: t, groups: groups}, nil
}

// hold opens the tree of id, which is to be released.
func (d *Disk) hold(id int64, terms Terms) (_ *tree, err error) {
	if id <= 0 {
		return nil, fmt.Errorf("sandbox: %d is nobody's id", id)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.trees[id]
	if t == nil {
		if t, err = d.open(id); err != nil {
			return nil, err
		}
		d.trees[id] = t
	}
	if t.gone {
		return nil, ErrNotFound
	}
	t.grant(terms)
	t.boxes++
	return t, nil
}

// Remove removes the tree of id and all that is in it. Sessions that still have
// it open find nothing there from now on; their uploads fail. Removing what is
// not there is no error. It takes as long as there are files.
func (d *Disk) Remove(id int64) error {
	d.mu.Lock()
	t := d.trees[id]
	if t == nil {
		t = d.newTree(id)
		d.trees[id] = t
	}
	t.gone = true
	d.mu.Unlock()

	t.mu.Lock() // changes under way end first, and none begins
	defer t.mu.Unlock()
	t.close()
	err := d.erase(strconv.FormatInt(id, 10))

	d.mu.Lock()
	defer d.mu.Unlock()
	if d.trees[id] == t {
		delete(d.trees, id)
		delete(d.books, id)
	}
	return err
}

// Reconcile removes the trees of those ids which alive denies: accounts that
// were deleted shortly before a crash. alive is asked after the tree was seen,
// so an account must be there before its tree is opened.
func (d *Disk) Reconcile(ctx context.Context, alive func(id int64) bool) error {
	ids, err := d.ids()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return err
		}
		if alive(id) {
			continue
		}
		if err := d.Remove(id); err != nil {
			return err
		}
	}
	return nil
}

// ids returns the ids that have a tree. Other names are not ours, and left alone.
func (d *Disk) ids() ([]int64, error) {
	top, err := walk(d.root, nil)
	if err != nil {
		return nil, err
	}
	defer top.close()
	names, err := top.names()
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, name := range names {
		if id, err := strconv.ParseInt(name, 10, 64); err == nil && id > 0 && name == strconv.FormatInt(id, 10) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// erase removes the directory name durably.
func (d *Disk) erase(name string) error {
	top, err := walk(d.root, nil)
	if err != nil {
		return err
	}
	defer top.close()
	home, err := top.child(name)
	if err == ErrNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	defer home.close()
	if err := home.clear(nil); err != nil {
		return err
	}
	if err := top.rmdir(name); err != nil {
		return err
	}
	return refusal(d.sys.sync(top.f))
}

// newTree returns the tree of id, closed. The caller holds mu.
func (d *Disk) newTree(id int64) *tree {
	t := &tree{disk: d, id: id, book: d.book(id), hashing: make(chan struct{}, 1)}
	t.pace.Store(newPace(0))
	return t
}

// open opens the tree of id, creating what is missing of it.
func (d *Disk) open(id int64) (*tree, error) {
	home, err := d.subroot(d.root, strconv.FormatInt(id, 10))
	if err != nil {
		return nil, err
	}
	defer home.Close()
	t := d.newTree(id)
	for name, root := range map[string]**os.Root{dataDir: &t.data, tmpDir: &t.tmp, trashDir: &t.trash} {
		if *root, err = d.subroot(home, name); err != nil {
			t.close()
			return nil, err
		}
	}
	return t, nil
}

// subroot opens the directory name in parent, creating it durably if it is
// missing. Unlike os.Root's OpenRoot it does not follow a link.
func (d *Disk) subroot(parent *os.Root, name string) (*os.Root, error) {
	switch err := parent.Mkdir(name, 0o700); {
	case err == nil:
		if err := d.syncRoot(parent); err != nil {
			// The next attempt shall not take it for durable.
			return nil, errors.Join(refusal(err), parent.Remove(name))
		}
	case !errors.Is(err, fs.ErrExist):
		return nil, refusal(err)
	}
	seen, err := parent.Lstat(name)
	if err != nil {
		return nil, refusal(err)
	}
	if !seen.IsDir() {
		return nil, fmt.Errorf("sandbox: %s is not a directory", name)
	}
	root, err := parent.OpenRoot(name)
	if err != nil {
		return nil, refusal(err)
	}
	if opened, err := root.Stat("."); err != nil || !os.SameFile(seen, opened) {
		root.Close()
		return nil, fmt.Errorf("sandbox: %s changed while it was opened", name)
	}
	return root, nil
}

func (d *Disk) syncRoot(root *os.Root) error {
	top, err := walk(root, nil)
	if err != nil {
		return err
	}
	defer top.close()
	return d.sys.sync(top.f)
}

// room returns ErrNoSpace if n more bytes on f's filesystem would touch the
// reserve, or what is promised to others than the caller, who has own.
func (d *Disk) room(f *os.File, n, own int64) error {
	free, err := d.sys.free(f)
	if err != nil {
		return refusal(err)
	}
	if free-d.options().Reserve-(d.promised.Load()-own) < n {
		return ErrNoSpace
	}
	return nil
}

// promise sets n bytes of f's filesystem aside, for what will be written.
func (d *Disk) promise(f *os.File, n int64) error {
	d.space.Lock()
	defer d.space.Unlock()
	if err := d.room(f, n, 0); err != nil {
		return err
	}
	d.promised.Add(n)
	return nil
}

// release gives back a Box.
func (t *tree) release() {
	t.disk.mu.Lock()
	defer t.disk.mu.Unlock()
	if t.boxes--; t.boxes > 0 {
		return
	}
	t.close()
	if !t.gone {
		delete(t.disk.trees, t.id)
	}
}

// close ends every operation on the tree that has not begun. It may be called
// again.
func (t *tree) close() {
	for _, root := range []*os.Root{t.data, t.tmp, t.trash} {
		if root != nil {
			root.Close()
		}
	}
}
