package sandbox

import (
	"context"
	"crypto/sha256"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// A Stamp tells one state of one file from all others. Times are in nanoseconds
// since 1970.
type Stamp struct{ Inode, Size, Modified, Changed int64 }

const (
	// hashSlice is how many bytes are hashed before the next in the queue has its
	// turn: a large file does not keep a small one waiting.
	hashSlice = 8 << 20
	// rememberFrom is the size of the smallest files whose sums are remembered.
	// Others are hashed in less time than it takes to look the sum up.
	rememberFrom = 256 << 10
	// newsEvery is how often somebody who waits for a turn calls busy.
	newsEvery = time.Second
)

// Sum returns the SHA-256 of the file at path. It is remembered until the file
// changes. As many files are hashed at once as there are processors, one of each
// root; busy, which must be quick, is called on the caller's goroutine again and
// again until the sum is there.
func (b *Box) Sum(ctx context.Context, path string, busy func()) ([]byte, error) {
	f, err := b.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	before, err := f.stamp()
	if err != nil {
		return nil, err
	}
	store := b.tree.disk.store
	if f.Size >= rememberFrom {
		// What the store cannot tell is computed again.
		if sum, err := store.Sum(ctx, before); err == nil && sum != nil {
			return sum, nil
		}
	}
	sum, err := b.tree.hash(ctx, f, busy)
	if err != nil || f.Size < rememberFrom {
		return sum, err
	}
	// A hand may have changed the file meanwhile.
	if after, err := f.stamp(); err == nil && after == before {
		_ = store.SaveSum(ctx, before, sum) // the sum is none the worse for it
	}
	return sum, nil
}

func (f *File) stamp() (Stamp, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(int(f.f.Fd()), &st) }); err != nil {
		return Stamp{}, refusal(err)
	}
	return Stamp{int64(st.Ino), st.Size, st.Mtim.Nano(), st.Ctim.Nano()}, nil
}

func (t *tree) hash(ctx context.Context, f io.Reader, busy func()) ([]byte, error) {
	if err := await(ctx, t.hashing, busy); err != nil {
		return nil, err
	}
	defer func() { <-t.hashing }()
	sum := sha256.New()
	buf := make([]byte, 256<<10)
	for {
		if err := await(ctx, t.disk.hashing, busy); err != nil {
			return nil, err
		}
		n, err := io.CopyBuffer(sum, io.LimitReader(f, hashSlice), buf)
		<-t.disk.hashing
		if err != nil {
			return nil, refusal(err)
		}
		if n == 0 {
			return sum.Sum(nil), nil
		}
		busy()
	}
}

// await takes a place in slots. Who has waited longest is next.
func await(ctx context.Context, slots chan struct{}, busy func()) error {
	news := time.NewTicker(newsEvery)
	defer news.Stop()
	for {
		select {
		case slots <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-news.C:
			busy()
		}
	}
}
