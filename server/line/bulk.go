package line

import (
	"slices"
	"sync"
)

// How many bytes of a transfer one system call moves on the connection: what is
// written to the file at once and four times what is read of it, in records.
const (
	aheadSize = receiveSize + receiveSize/16
	heldSize  = 4 * (sendSize + sendSize/16)
)

// transfers are buffers for either direction, so that a server that has seen
// both holds no more.
var transfers = sync.Pool{New: func() any { return new([sendSize + heldSize]byte) }}

// borrow returns two buffers for n bytes, of the given sizes. What fits into a
// record beside a page gets one, of that size. free takes them back.
func borrow(n int64, size, bulkSize int) (buf, bulk []byte, free func()) {
	if n <= recordSize-pageSize {
		b := records.Get().(*[recordSize]byte)
		return b[:], nil, func() { records.Put(b) }
	}
	b := transfers.Get().(*[sendSize + heldSize]byte)
	return b[:size], b[size:][:bulkSize:bulkSize], func() { transfers.Put(b) }
}

// crypto/tls writes every record of 16 KiB by itself and reads little more than
// one at a time. Buffers below it, for as long as a transfer lasts, save most of
// those system calls.

// gather holds back in buf what is written, until there is no more room for it
// or flush is called, and then writes it as one. The caller is the outbox's
// writer, and puts an end to it by the function returned.
func (g *guard) gather(buf []byte) (end func()) {
	g.held = buf[:0]
	return func() { g.held = nil }
}

func (g *guard) flush() error {
	if len(g.held) == 0 {
		return nil
	}
	_, err := g.write(g.held)
	g.held = g.held[:0]
	return err
}

// readAhead has reads take as much as has arrived, into buf. The caller is the
// one who reads, and puts an end to it by the function returned; what was read
// and not used by then comes first in what is read next.
func (g *guard) readAhead(buf []byte) (end func()) {
	g.ahead = buf
	return func() { g.ahead, g.pending = nil, slices.Clone(g.pending) }
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
