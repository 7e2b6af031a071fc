package sandbox

import (
	"context"
	"os"
)

// counted makes sure that the book of t has been begun since the start. The
// first who needs it counts, and whoever comes meanwhile waits, so that nothing
// changes during the count and nothing is admitted before it; those who only
// read files don't wait. It also reconciles what a crash left over in the trash
// and among the uploads. The caller does not hold t.mu.
func (t *tree) counted() error {
	b := t.book
	b.mu.Lock()
	done := b.counted
	b.mu.Unlock()
	if done {
		return nil
	}
	t.mu.RLock() // against being removed meanwhile
	defer t.mu.RUnlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.counted {
		return nil
	}
	files, dirs, err := census(t.data)
	if err != nil {
		return err
	}
	b.used, b.dirs, b.trash, b.paths, b.kept = files, dirs, nil, 0, map[string]partial{}
	if err := t.reconcileTrash(); err != nil {
		return err
	}
	if err := t.reconcileUploads(); err != nil {
		return err
	}
	b.counted = true
	return nil
}

// census counts the files and directories below root. It has two directories
// open at most: a client can nest them deeper, one rename after the other, than
// there are descriptors.
func census(root *os.Root) (files Usage, dirs int64, err error) {
	at, err := walk(root, nil)
	if err != nil {
		return Usage{}, 0, err
	}
	defer func() { at.close() }()
	// above are the directories that lead to at, each with those of its
	// subdirectories that are still to be entered; todo are at's own.
	type level struct {
		is   os.FileInfo
		todo []string
	}
	var above []level
	todo, err := at.tally(&files)
	for err == nil {
		var next dir
		var is os.FileInfo
		switch n := len(todo); {
		case n == 0 && len(above) == 0:
			return files, dirs, nil
		case n == 0:
			last := above[len(above)-1]
			above = above[:len(above)-1]
			if next, err = at.child(".."); err != nil {
				break
			}
			// A hand that moves directories meanwhile must not lead us astray.
			if is, err = next.f.Stat(); err == nil && !os.SameFile(is, last.is) {
				err = errMoved
			}
			todo = last.todo
			at.close()
			at = next
		default:
			if is, err = at.f.Stat(); err != nil {
				break
			}
			if next, err = at.child(todo[n-1]); err != nil {
				break
			}
			above = append(above, level{is, todo[:n-1]})
			dirs++
			at.close()
			at = next
			todo, err = at.tally(&files)
		}
	}
	return Usage{}, 0, refusal(err)
}

// tally adds up the files in d that clients may see, and returns the names of
// its subdirectories.
func (d dir) tally(files *Usage) (dirs []string, err error) {
	names, err := d.names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		switch e, err := d.stat(name); {
		case err == ErrNotFound:
		case err != nil:
			return nil, err
		case e.Dir:
			dirs = append(dirs, name)
		default:
			files.Bytes += e.Size
			files.Files++
		}
	}
	return dirs, nil
}

// Tend counts the roots that have not been counted since the start, and removes
// what is in the trash, or kept of uploads that broke off, for longer than the
// options say. It is to be called at the start and now and then; roots may be
// used meanwhile. It goes on after an error, and returns the first.
func (d *Disk) Tend(ctx context.Context) error {
	ids, err := d.ids()
	if err != nil {
		return err
	}
	var first error
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.tend(ctx, id); err != nil && err != ErrNotFound && first == nil {
			first = err
		}
	}
	return first
}

func (d *Disk) tend(ctx context.Context, id int64) error {
	d.mu.Lock()
	b := d.book(id)
	d.mu.Unlock()
	if !b.due() {
		return nil
	}
	box, err := d.Account(ctx, id, Groups{})
	if err != nil {
		return err
	}
	defer box.Close()
	if err := box.tree.counted(); err != nil {
		return err
	}
	return box.tree.expire()
}

// due tells whether there is something to do for Tend.
func (b *book) due() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	opts := b.disk.options()
	if !b.counted || len(b.trash) > 0 && expired(b.trash[0].Deleted, opts.Trash) {
		return true
	}
	for _, part := range b.kept {
		if expired(part.at, opts.Partial) {
			return true
		}
	}
	return false
}

// expire removes what is due.
func (t *tree) expire() error {
	// Directories and names are not changed, but nothing may be removed from a
	// tree that is being removed itself.
	t.mu.RLock()
	defer t.mu.RUnlock()
	b := t.book
	b.mu.Lock()
	defer b.mu.Unlock()
	opts := b.disk.options()
	n := 0
	for n < len(b.trash) && expired(b.trash[n].Deleted, opts.Trash) {
		n++
	}
	if err := t.evict(n); err != nil {
		return err
	}
	for path, part := range b.kept {
		if expired(part.at, opts.Partial) {
			if err := t.drop(path); err != nil {
				return err
			}
		}
	}
	return nil
}
