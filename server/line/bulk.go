package line

import (
	"slices"
	"sync"
)

// bulkSize is how many bytes of a transfer one system call moves: those of a
// transfer buffer, in records.
const bulkSize = transferSize + transferSize/16

var bulks = sync.Pool{New: func() any { return new([bulkSize]byte) }}

// crypto/tls writes every record of 16 KiB by itself and reads little more than
// one at a time. Buffers below it, for as long as a transfer lasts, save most of
// those system calls.

// gather holds back what is written, until flush writes it as one. The caller
// is the outbox's writer, and puts an end to it by the function returned.
func (g *guard) gather() (end func()) {
	buf := bulks.Get().(*[bulkSize]byte)
	g.held = buf[:0]
	return func() {
		g.held = nil
		bulks.Put(buf)
	}
}

func (g *guard) flush() error {
	if len(g.held) == 0 {
		return nil
	}
	_, err := g.write(g.held)
	g.held = g.held[:0]
	return err
}

// readAhead has reads take as much as has arrived. The caller is the one who
// reads, and puts an end to it by the function returned; what was read and not
// used by then comes first in what is read next.
func (g *guard) readAhead() (end func()) {
	buf := bulks.Get().(*[bulkSize]byte)
	g.ahead = buf[:]
	return func() {
		g.ahead, g.pending = nil, slices.Clone(g.pending)
		bulks.Put(buf)
	}
}

// readBulk reads into b, by way of ahead.
func (g *guard) readBulk(b []byte) (int, error) {
	if len(g.pending) == 0 {
		n, err := g.read(g.ahead)
		if n == 0 {
			return 0, err
		}
		g.pending = g.ahead[:n]
	}
	n := copy(b, g.pending)
	g.pending = g.pending[n:]
	return n, nil
}
