package sandbox

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

// Access is what an account may do with files. Its numbers are on disk.
type Access int

// The accesses. Each of them may read.
const (
	FullAccess Access = 0
	ReadOnly   Access = 1 // change nothing
	AddOnly    Access = 2 // make files and directories; replace, rename and remove none
)

// LeastRate is the least bound of a rate, in bytes a second.
const LeastRate = 1 << 10

// Default as a bound of [Terms] is that of the [Options].
const Default = -1

// Terms are what an administrator grants one account.
type Terms struct {
	Access Access
	Quota  int64 // bytes, see Usage; 0 for no bound, or Default
	Rate   int64 // bytes a second of all transfers together, up and down; 0 for no bound, or Default
}

// A Store keeps what must last beside the files. Its methods may be called from
// any goroutine.
type Store interface {
	// Terms returns those of an account, which has FullAccess and Default
	// bounds at first.
	Terms(ctx context.Context, account int64) (Terms, error)
	// SetTerms replaces them, durably.
	SetTerms(ctx context.Context, account int64, t Terms) error
	// Sum returns the SHA-256 of the file in that state, nil if there is none.
	Sum(ctx context.Context, of Stamp) ([]byte, error)
	// SaveSum remembers it, in place of those of other states of the file. It
	// need not be durable.
	SaveSum(ctx context.Context, of Stamp, sum []byte) error
}

// Terms returns what the account id is granted.
func (d *Disk) Terms(ctx context.Context, id int64) (Terms, error) {
	if d.store == nil {
		return Terms{FullAccess, Default, Default}, nil
	}
	return d.store.Terms(ctx, id)
}

// SetTerms grants an account something else, durably. Its sessions are bound by
// it at once, transfers under way included.
func (d *Disk) SetTerms(ctx context.Context, id int64, terms Terms) error {
	d.granting.Lock()
	defer d.granting.Unlock()
	if err := d.store.SetTerms(ctx, id, terms); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.trees[id]; t != nil {
		t.grant(terms)
	}
	return nil
}

// grant puts terms into force. disk.mu is held.
func (t *tree) grant(terms Terms) {
	t.terms = terms
	t.book.own.Store(terms.Quota)
	t.access.Store(int32(terms.Access))
	bytes := terms.Rate
	if bytes == Default {
		bytes = t.disk.options().Rate
	}
	if t.pace.Load().rate != bytes {
		t.pace.Store(newPace(bytes))
	}
}

// mayChange returns ErrDenied where the account may not replace, rename or
// remove what is at p; mayAdd, where it may not even add to it.
func (p place) mayChange() error {
	if p.access != FullAccess {
		return ErrDenied
	}
	return nil
}

func (p place) mayAdd() error {
	if p.access == ReadOnly {
		return ErrDenied
	}
	return nil
}

// A pace bounds the bytes a second of all transfers of an account. The zero
// value is no bound.
type pace struct {
	rate   int64
	bucket *rate.Limiter // nil for no bound
}

// mostAtOnce is how many bytes a pace lets through in one piece, at the most.
const mostAtOnce = 256 << 10

// newPace has a bucket for a quarter of a second: so little that even a short
// transfer keeps to the rate, and enough to reach it.
func newPace(bytes int64) *pace {
	if bytes == 0 {
		return &pace{}
	}
	return &pace{bytes, rate.NewLimiter(rate.Limit(bytes), int(min(max(bytes/4, 1), mostAtOnce)))}
}

// piece is how many of n bytes may be moved in one piece.
func (p *pace) piece(n int) int {
	if p.bucket == nil {
		return n
	}
	return min(n, p.bucket.Burst())
}

// wait waits until n bytes, at most a piece, may be moved.
func (p *pace) wait(ctx context.Context, n int) error {
	if p.bucket == nil {
		return nil
	}
	return p.bucket.WaitN(ctx, n)
}

// Reader returns r at the account's rate. It gives no more at once than may be
// passed on now, so that a slow transfer moves all the time. Once ctx has ended
// it waits no longer and fails.
func (b *Box) Reader(ctx context.Context, r io.ReadCloser) io.ReadCloser {
	return &pacedReader{r, ctx, b.tree}
}

type pacedReader struct {
	io.ReadCloser
	ctx  context.Context
	tree *tree
}

func (r *pacedReader) Read(b []byte) (int, error) {
	p := r.tree.pace.Load()
	b = b[:p.piece(len(b))]
	if err := p.wait(r.ctx, len(b)); err != nil {
		return 0, err
	}
	return r.ReadCloser.Read(b)
}

// Writer returns w at the account's rate, likewise.
func (b *Box) Writer(ctx context.Context, w io.Writer) io.Writer {
	return &pacedWriter{w, ctx, b.tree}
}

type pacedWriter struct {
	io.Writer
	ctx  context.Context
	tree *tree
}

func (w *pacedWriter) Write(b []byte) (written int, err error) {
	for written < len(b) && err == nil {
		p := w.tree.pace.Load()
		piece := b[written:]
		piece = piece[:p.piece(len(piece))]
		if err = p.wait(w.ctx, len(piece)); err == nil {
			var n int
			n, err = w.Writer.Write(piece)
			written += n
		}
	}
	return written, err
}
