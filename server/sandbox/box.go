package sandbox

import (
	"cmp"
	"os"
	"strings"
	"sync"
)

// A Box is one session's hold on its account's tree. Paths are virtual, as
// [Resolve] makes them; anything else is [ErrName]. A session may use its Box
// from any goroutine, and several Boxes of one account work at the same time.
// Under "/grup" are the folders of the account's groups. Where it belongs to
// none, nothing is found and nothing may be changed, which is [ErrDenied].
//
// Once the account is removed or the Box closed, everything is [ErrNotFound].
type Box struct {
	tree   *tree
	groups Groups

	mu     sync.Mutex
	held   map[int64]*tree // of groups, by their ids
	closed bool
}

// Close gives the trees back. Files and uploads that are still open are the
// caller's to end.
func (b *Box) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	b.tree.release()
	for _, t := range b.held {
		t.release()
	}
}

// A place is where a path leads: the names from a tree's root on.
type place struct {
	*tree
	folder string // the virtual path of that root; "" for the account's own
	names  []string
	slash  bool // the path ended in a slash and must be a directory
	access Access
}

// place finds the tree that holds path. reserved is the error for what belongs
// to groups and not to the account.
func (b *Box) place(path string, reserved error) (place, error) {
	names, slash, err := split(path)
	if err != nil {
		return place{}, err
	}
	if len(names) > 0 && names[0] == groups {
		return b.shared(names[1:], slash, reserved)
	}
	return place{b.tree, "", names, slash, Access(b.tree.access.Load())}, nil
}

// near is place for what is asked of a root as a whole. Where a session stands,
// there may be none: among the groups, or in a folder that was left.
func (b *Box) near(path string) (place, error) {
	p, err := b.place(path, ErrNotFound)
	if err == ErrNotFound {
		return b.place("/", ErrNotFound)
	}
	return p, err
}

// isRoot tells whether p is a tree's root, which has neither parent nor name.
func (p place) isRoot() bool { return len(p.names) == 0 }

// path is p's path from its tree's own root, without a slash at its end.
func (p place) path() string { return "/" + strings.Join(p.names, "/") }

func (p place) name() string { return p.names[len(p.names)-1] }

// parent opens the directory that p is in.
func (p place) parent() (dir, error) { return walk(p.data, p.names[:len(p.names)-1]) }

// fits refuses a file where the path has said directory.
func (p place) fits(e Entry) error {
	if p.slash && !e.Dir {
		return ErrNotDir
	}
	return nil
}

// root describes the root of p's tree.
func (p place) root() (Entry, error) {
	top, err := walk(p.data, nil)
	if err != nil {
		return Entry{}, err
	}
	defer top.close()
	e, err := top.stat(".")
	e.Name = "/"
	return e, err
}

// Stat describes the file or directory at path.
func (b *Box) Stat(path string) (Entry, error) {
	if b.folders(path) != nil {
		path = "/"
	}
	p, err := b.place(path, ErrNotFound)
	if err != nil {
		return Entry{}, err
	}
	if p.isRoot() {
		return p.root()
	}
	parent, err := p.parent()
	if err != nil {
		return Entry{}, err
	}
	defer parent.close()
	e, err := parent.stat(p.name())
	if err != nil {
		return Entry{}, err
	}
	return e, p.fits(e)
}

// Dir returns path as a session's directory, without a slash at its end, if
// there is such a directory.
func (b *Box) Dir(path string) (string, error) {
	if b.folders(path) != nil {
		return "/" + groups, nil
	}
	p, err := b.place(path, ErrNotFound)
	if err != nil {
		return "", err
	}
	d, err := walk(p.data, p.names)
	if err != nil {
		return "", err
	}
	d.close()
	if p.isRoot() {
		return cmp.Or(p.folder, "/"), nil
	}
	return p.folder + p.path(), nil
}

// A File is a regular file open for reading. It stays as it was when its name is
// given to another, or removed. It belongs to one goroutine.
type File struct {
	Entry // as it was at opening
	f     *os.File
}

// Open opens the regular file at path.
func (b *Box) Open(path string) (*File, error) {
	if b.folders(path) != nil {
		return nil, ErrIsDir
	}
	p, err := b.place(path, ErrNotFound)
	if err != nil {
		return nil, err
	}
	if p.isRoot() {
		return nil, ErrIsDir
	}
	parent, err := p.parent()
	if err != nil {
		return nil, err
	}
	defer parent.close()
	f, err := parent.open(p.name())
	if err == nil && p.slash {
		f.Close()
		return nil, ErrNotDir
	}
	return f, err
}

// Read implements [io.Reader].
func (f *File) Read(p []byte) (int, error) { return f.f.Read(p) }

// ReadAt implements [io.ReaderAt].
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }

// Seek implements [io.Seeker].
func (f *File) Seek(offset int64, whence int) (int64, error) { return f.f.Seek(offset, whence) }

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }
