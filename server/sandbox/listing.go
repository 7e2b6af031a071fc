package sandbox

import (
	"bufio"
	"cmp"
	"container/heap"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// heldEntries is how many entries a listing holds in memory, which takes 1.3 MiB
// at most. Those of a larger directory are sorted in runs of so many, in a file
// without a name, and merged: each run then takes runBuffer bytes.
const (
	heldEntries = 4096
	runBuffer   = 4 << 10
)

// A Listing is the content of a directory at one time. It belongs to one
// goroutine, which must close it.
type Listing struct {
	n    int
	held []Entry  // if they are few
	file *os.File // if they are many
}

// Len returns the number of entries.
func (l *Listing) Len() int { return l.n }

// All yields the entries, sorted by the bytes of their names, or the error that
// keeps it from going on.
func (l *Listing) All() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, e := range l.held {
			if !yield(e, nil) {
				return
			}
		}
		if l.file == nil {
			return
		}
		for from := newRun(l.file, 0, -1); ; {
			e, err := from.next()
			if err == io.EOF || !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Close gives the listing's file up.
func (l *Listing) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// A sorter makes a listing of what is added to it.
type sorter struct {
	scratch func() (*os.File, error) // makes a file without a name
	held    []Entry
	file    *os.File
	ends    []int64 // of the runs in it
}

func byName(a, b Entry) int { return cmp.Compare(a.Name, b.Name) }

func (s *sorter) add(e Entry) error {
	if s.held = append(s.held, e); len(s.held) < heldEntries {
		return nil
	}
	return s.spill()
}

// spill writes what is held as a run.
func (s *sorter) spill() (err error) {
	slices.SortFunc(s.held, byName)
	if s.file == nil {
		if s.file, err = s.scratch(); err != nil {
			return err
		}
	}
	w := bufio.NewWriterSize(s.file, runBuffer)
	for _, e := range s.held {
		writeEntry(w, e)
	}
	if err := w.Flush(); err != nil {
		return refusal(err)
	}
	s.held = s.held[:0]
	end, err := s.file.Seek(0, io.SeekCurrent)
	s.ends = append(s.ends, end)
	return refusal(err)
}

// listing ends the sorter. A name that was replaced while its directory was
// being read may have come twice, and is listed once.
func (s *sorter) listing() (*Listing, error) {
	if s.file == nil {
		slices.SortFunc(s.held, byName)
		all := slices.CompactFunc(s.held, func(a, b Entry) bool { return a.Name == b.Name })
		return &Listing{n: len(all), held: all}, nil
	}
	if err := s.spill(); err != nil {
		return nil, err
	}
	s.held = nil
	merged, err := s.scratch()
	if err != nil {
		return nil, err
	}
	n, err := s.merge(merged)
	if err != nil {
		merged.Close()
		return nil, refusal(err)
	}
	return &Listing{n: n, file: merged}, nil
}

// merge writes all runs as one, and returns how many entries that has.
func (s *sorter) merge(to *os.File) (n int, err error) {
	var all runs
	start := int64(0)
	for _, end := range s.ends {
		r := newRun(s.file, start, end-start)
		start = end
		if r.head, err = r.next(); err == nil {
			all = append(all, r)
		} else if err != io.EOF {
			return 0, err
		}
	}
	heap.Init(&all)
	w := bufio.NewWriterSize(to, runBuffer)
	last := "" // which is no entry's name
	for len(all) > 0 {
		r := all[0]
		if r.head.Name != last {
			writeEntry(w, r.head)
			last = r.head.Name
			n++
		}
		switch r.head, err = r.next(); err {
		case nil:
			heap.Fix(&all, 0)
		case io.EOF:
			heap.Pop(&all)
		default:
			return 0, err
		}
	}
	return n, w.Flush()
}

func (s *sorter) close() {
	if s.file != nil {
		s.file.Close()
	}
}

// A run is a sequence of sorted entries in a file.
type run struct {
	r    *bufio.Reader
	head Entry
}

// newRun reads n bytes of f from start on; all there are, if n is negative.
func newRun(f *os.File, start, n int64) *run {
	if n < 0 {
		n = 1<<63 - 1 - start
	}
	return &run{r: bufio.NewReaderSize(io.NewSectionReader(f, start, n), runBuffer)}
}

// writeEntry writes e as run.next reads it. Its error is the writer's own, which
// keeps it.
func writeEntry(w *bufio.Writer, e Entry) {
	var kind byte
	if e.Dir {
		kind = 1
	}
	b := append(make([]byte, 0, 32), kind)
	b = binary.AppendVarint(b, e.Size)
	b = binary.AppendVarint(b, e.ModTime.Unix())
	b = binary.AppendUvarint(b, uint64(len(e.Name)))
	w.Write(b)
	w.WriteString(e.Name)
}

// next returns io.EOF behind the last entry.
func (r *run) next() (e Entry, err error) {
	kind, err := r.r.ReadByte()
	if err != nil {
		return e, err
	}
	size, err1 := binary.ReadVarint(r.r)
	at, err2 := binary.ReadVarint(r.r)
	length, err3 := binary.ReadUvarint(r.r)
	if err := errors.Join(err1, err2, err3); err != nil {
		return e, err
	}
	name := make([]byte, length)
	if _, err := io.ReadFull(r.r, name); err != nil {
		return e, err
	}
	return Entry{Name: string(name), Dir: kind == 1, Size: size, ModTime: time.Unix(at, 0).UTC()}, nil
}

// runs are a heap: the one with the least name is first.
type runs []*run

func (r runs) Len() int           { return len(r) }
func (r runs) Less(i, j int) bool { return r[i].head.Name < r[j].head.Name }
func (r runs) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *runs) Push(x any)        { *r = append(*r, x.(*run)) }
func (r *runs) Pop() any {
	last := len(*r) - 1
	x := (*r)[last]
	(*r)[last] = nil
	*r = (*r)[:last]
	return x
}

// scratch makes a file in d that has no name, so that it is gone once it is
// closed.
func (d dir) scratch() (*os.File, error) {
	name := rand.Text()
	fd, err := d.openat(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return nil, refusal(err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := d.unlink(name); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// List lists the directory at path: regular files with a single link, and
// directories, as far as their names are valid.
func (b *Box) List(path string) (*Listing, error) {
	if all := b.folders(path); all != nil {
		return b.listFolders(all)
	}
	p, err := b.place(path, ErrNotFound)
	if err != nil {
		return nil, err
	}
	d, err := walk(p.data, p.names)
	if err != nil {
		return nil, err
	}
	defer d.close()
	s := &sorter{scratch: p.scratch}
	defer s.close()
	if p.isRoot() && p.folder == "" && b.folders("/"+groups) != nil {
		e, err := p.root()
		if err != nil {
			return nil, err
		}
		e.Name = groups
		if err := s.add(e); err != nil {
			return nil, err
		}
	}
	for {
		names, err := d.f.Readdirnames(heldEntries)
		if err == io.EOF {
			return s.listing()
		}
		if err != nil {
			return nil, refusal(err)
		}
		for _, name := range names {
			if !ValidName(name) || p.reserves(name) {
				continue
			}
			e, err := d.stat(name)
			if err == nil {
				err = s.add(e)
			}
			if err != nil && err != ErrNotFound { // removed since, or not for clients
				return nil, err
			}
		}
	}
}

// reserves says whether the name in p belongs to groups.
func (p place) reserves(name string) bool {
	return p.isRoot() && p.folder == "" && name == groups
}

// scratch makes a file without a name beside p's tree.
func (p place) scratch() (*os.File, error) {
	tmp, err := walk(p.tmp, nil)
	if err != nil {
		return nil, err
	}
	defer tmp.close()
	return tmp.scratch()
}
