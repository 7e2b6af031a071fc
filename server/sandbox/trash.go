package sandbox

import (
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Version is a file in the trash: one that was removed, or replaced.
type Version struct {
	ID      string // of digits and small letters; never given twice in a root
	Path    string // where it was, from the root's own "/"
	Deleted time.Time
	Size    int64 // bytes
}

// In the trash a version lies under its id, and beside it, under its id and
// labelSuffix, its label. The label is there first and goes last.
type label struct {
	Path string `json:"path"`
	// Of a version that is being replaced: its inode, and the name in tmp under
	// which it is for a moment, when it has changed places with the new one.
	Inode uint64 `json:"inode,omitempty"`
	Swap  string `json:"swap,omitempty"`
}

const (
	labelSuffix = ".json"
	// maxLabel bounds what is read of a label. JSON escapes some bytes of a
	// path, with six for one at most.
	maxLabel = 6*MaxPath + 1024
	// maxTrashPaths bounds the bytes of all paths in a trash, which are held in
	// memory: else a client could have 400 MB held with files of nothing.
	maxTrashPaths = 16 << 20
)

// An id is the time of the removal in milliseconds, in base 36.
func versionID(ms int64) string { return strconv.FormatInt(ms, 36) }

func parseVersionID(id string) (time.Time, bool) {
	ms, err := strconv.ParseInt(id, 36, 64)
	return time.UnixMilli(ms).UTC(), err == nil && ms > 0 && versionID(ms) == id
}

// label writes the label of a new version, durably.
func (t *tree) label(trash dir, l label) (Version, error) {
	b := t.book
	b.mu.Lock()
	b.last = max(b.last+1, time.Now().UnixMilli())
	id := versionID(b.last)
	b.mu.Unlock()
	at, _ := parseVersionID(id)
	v := Version{ID: id, Path: l.Path, Deleted: at}
	text, err := json.Marshal(l)
	if err != nil {
		return v, err
	}
	f, err := trash.create(id + labelSuffix)
	if err != nil {
		return v, err
	}
	defer f.Close()
	if _, err = t.disk.sys.write(f, text); err == nil {
		err = t.disk.sys.sync(f)
	}
	if err != nil {
		trash.unlink(id + labelSuffix)
	}
	return v, refusal(err)
}

// filed enters a version that is in the trash now, and counts on as it did.
func (t *tree) filed(v Version) {
	b := t.book
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trash = append(b.trash, v)
	b.paths += len(v.Path)
	t.shorten()
}

// shorten has the oldest versions give way whose paths would take too much memory.
// The caller holds the book's lock.
func (t *tree) shorten() {
	n := 0
	for over := t.book.paths - maxTrashPaths; over > 0; n++ {
		over -= len(t.book.trash[n].Path)
	}
	_ = t.evict(n) // what fails is tried again with the next version
}

// discard takes the file name away from parent: into the trash, if there is
// one. The caller holds t.naming, and has seen that it is a file, of that size.
func (t *tree) discard(parent dir, p place, size int64) error {
	if t.disk.options().Trash == 0 {
		if err := parent.unlink(p.name()); err != nil {
			return err
		}
		t.book.give(size, 1)
		return nil
	}
	trash, err := walk(t.trash, nil)
	if err != nil {
		return err
	}
	defer trash.close()
	v, err := t.label(trash, label{Path: p.path()})
	if err != nil {
		return err
	}
	v.Size = size
	if err := t.disk.sys.replace(parent, p.name(), trash, v.ID); err != nil {
		trash.unlink(v.ID + labelSuffix)
		return refusal(err)
	}
	t.filed(v)
	return t.settle(trash)
}

// supersede publishes the file u in place of the one that old describes, which
// goes to the trash. The caller holds t.naming. After any error but
// ErrUncertain nothing has changed.
func (u *Upload) supersede(old *unix.Stat_t) error {
	t := u.at.tree
	trash, err := walk(t.trash, nil)
	if err != nil {
		return err
	}
	defer trash.close()
	v, err := t.label(trash, label{Path: u.at.path(), Inode: old.Ino, Swap: u.tmpName})
	if err != nil {
		return err
	}
	v.Size = old.Size
	// The name leads to a whole file at every moment: first to the old one, then
	// to the new one.
	if err := t.disk.sys.exchange(u.tmp, u.tmpName, u.parent, u.at.name()); err != nil {
		trash.unlink(v.ID + labelSuffix)
		return refusal(err)
	}
	u.published = true
	if err := t.disk.sys.replace(u.tmp, u.tmpName, trash, v.ID); err != nil {
		// The old version stays where it is, and counts, until the next start
		// finds it by its label.
		return uncertain(err)
	}
	t.filed(v)
	return t.settle(trash)
}

// evict removes the n oldest versions. The caller holds the book's lock. A power
// cut may bring them back; the next count takes them for what they are.
func (t *tree) evict(n int) error {
	if n == 0 {
		return nil
	}
	b := t.book
	trash, err := walk(t.trash, nil)
	if err != nil {
		return err
	}
	defer trash.close()
	for range n {
		v := b.trash[0]
		if err := trash.unlink(v.ID); err != nil && err != ErrNotFound {
			return err
		}
		b.subtract(v.Size, 1)
		b.trash = b.trash[1:]
		b.paths -= len(v.Path)
		// A label without its version is removed at the next start.
		trash.unlink(v.ID + labelSuffix)
	}
	return nil
}

// Trash returns what is in the trash of the root that holds path, or else of the
// account's own, the oldest first, and the virtual path of that root, which goes
// before their paths. It is the book's own list, which nobody changes.
func (b *Box) Trash(path string) (all []Version, root string, err error) {
	p, err := b.near(path)
	if err != nil {
		return nil, "", err
	}
	if err := p.counted(); err != nil {
		return nil, "", err
	}
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	return p.book.trash, p.folder, nil
}

// Undelete puts a version back where it was, in the root that holds path: the
// one with that id, or else the newest that was at path. Directories that are
// missing are made. If something has its name now, that is [ErrExists], and
// nothing has changed. It returns the version.
func (b *Box) Undelete(id, path string) (_ Version, err error) {
	p, err := b.place(path, ErrDenied)
	if err == nil {
		err = p.mayAdd()
	}
	if err != nil {
		return Version{}, err
	}
	if err := p.counted(); err != nil {
		return Version{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	v, err := p.version(id, p.path())
	if err != nil {
		return Version{}, err
	}
	names, _, err := split(v.Path)
	if err != nil {
		return Version{}, err
	}
	to := place{p.tree, p.folder, names, false, p.access}
	parent, made, err := to.makeParent()
	defer func() {
		if err != nil {
			p.unmake(made)
		}
	}()
	if err != nil {
		return Version{}, err
	}
	defer parent.close()
	trash, err := walk(p.trash, nil)
	if err != nil {
		return Version{}, err
	}
	defer trash.close()
	// Under the book's lock, so that nobody who needs room evicts it.
	bk := p.book
	bk.mu.Lock()
	i := slices.Index(bk.trash, v)
	if i < 0 {
		err = ErrNotFound
	} else if err = move(trash, v.ID, parent, to.name()); err == nil {
		bk.trash = slices.Delete(slices.Clone(bk.trash), i, i+1)
		bk.paths -= len(v.Path)
	}
	bk.mu.Unlock()
	if err != nil {
		return Version{}, err
	}
	if err := p.settle(parent); err != nil {
		return Version{}, err
	}
	trash.unlink(v.ID + labelSuffix)
	return v, p.settle(trash)
}

// version finds one in the trash.
func (t *tree) version(id, path string) (Version, error) {
	t.book.mu.Lock()
	defer t.book.mu.Unlock()
	var found Version
	for _, v := range t.book.trash {
		if v.ID == id {
			return v, nil
		}
		if v.Path == path {
			found = v
		}
	}
	if found.ID == "" {
		return Version{}, ErrNotFound
	}
	return found, nil
}

// makeParent opens the directory that p is in, and makes what is missing on the
// way: those it returns, also with an error. The caller holds the tree's lock for
// writing.
func (p place) makeParent() (at dir, made [][]string, err error) {
	if at, err = walk(p.data, nil); err != nil {
		return dir{}, nil, err
	}
	for i, name := range p.names[:len(p.names)-1] {
		next, err := at.child(name)
		if err == ErrNotFound {
			if err = p.addDir(at, name); err == nil {
				made = append(made, p.names[:i+1])
				next, err = at.child(name)
			}
		}
		at.close()
		if err != nil {
			return dir{}, made, err
		}
		at = next
	}
	return at, made, nil
}

// unmake removes what makeParent has made, as far as nothing is in it. A power cut
// may bring it back.
func (t *tree) unmake(made [][]string) {
	for _, names := range slices.Backward(made) {
		last := len(names) - 1
		parent, err := walk(t.data, names[:last])
		if err != nil {
			return
		}
		if parent.rmdir(names[last]) == nil {
			t.giveDir()
		}
		parent.close()
	}
}

// reconcileTrash enters what is in the trash, and ends what a crash cut short:
// a label without a version is one that did not come, or that has gone, unless
// the version is still where it changed places with a new one. The caller holds
// the book's lock.
func (t *tree) reconcileTrash() error {
	trash, err := walk(t.trash, nil)
	if err != nil {
		return err
	}
	defer trash.close()
	names, err := trash.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		id, ok := strings.CutSuffix(name, labelSuffix)
		if !ok || slices.Contains(names, id) {
			continue
		}
		l, err := trash.readLabel(name)
		if err == nil && l.Swap != "" {
			err = t.recover(trash, id, l)
			if err == nil {
				names = append(names, id)
				continue
			}
		}
		if err := trash.unlink(name); err != nil && err != ErrIsDir {
			return err
		}
	}
	b := t.book
	for _, id := range names {
		at, ok := parseVersionID(id)
		if !ok {
			continue
		}
		e, err := trash.stat(id)
		if err != nil || e.Dir {
			continue
		}
		v := Version{ID: id, Deleted: at, Size: e.Size}
		if l, err := trash.readLabel(id + labelSuffix); err == nil {
			v.Path = l.Path
		}
		if _, _, err := split(v.Path); err != nil || v.Path == "/" {
			v.Path = "/" + id // nobody knows any more
		}
		b.trash = append(b.trash, v)
		b.paths += len(v.Path)
		b.used.Bytes += v.Size
		b.used.Files++
		b.last = max(b.last, at.UnixMilli())
	}
	slices.SortFunc(b.trash, func(x, y Version) int { return x.Deleted.Compare(y.Deleted) })
	t.shorten()
	return nil
}

// recover takes the version that l speaks of from tmp to the trash. What else
// may have that name in tmp is the new version, which was never published.
func (t *tree) recover(trash dir, id string, l label) error {
	if !ValidName(l.Swap) {
		return ErrName
	}
	tmp, err := walk(t.tmp, nil)
	if err != nil {
		return err
	}
	defer tmp.close()
	st, err := tmp.lstat(l.Swap)
	if err != nil {
		return refusal(err)
	}
	if st.Ino != l.Inode {
		return ErrNotFound
	}
	if err := move(tmp, l.Swap, trash, id); err != nil {
		return err
	}
	return t.settle(trash)
}

func (d dir) readLabel(name string) (l label, err error) {
	f, err := d.open(name)
	if err != nil {
		return l, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxLabel))
	if err != nil {
		return l, refusal(err)
	}
	return l, json.Unmarshal(text, &l)
}
