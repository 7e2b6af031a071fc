package line

import (
	"errors"
	"io"
	"sync"
	"time"
)

// recordSize is the most that one TLS record carries (RFC 8446, section 5.1).
const recordSize = 16 << 10

var (
	errOverflow = errors.New("line: the client doesn't read what is sent to it")
	errClosed   = errors.New("line: connection closed")
)

var records = sync.Pool{New: func() any { return new([recordSize]byte) }}

// A backlog holds references in their order; those before next are written.
type backlog struct {
	items [][]byte
	next  int
}

var backlogs = sync.Pool{New: func() any { return new(backlog) }}

// mostItems is how many places of a backlog are kept for the next one.
const mostItems = 1024

// An outbox is what waits to be written to one client: references to byte
// slices that are shared with other outboxes and never change. Its bytes are
// bounded. Whoever finds it without a writer becomes its writer.
type outbox struct {
	w     io.Writer
	limit int         // bytes
	crew  *crew       // nil: each flush has a goroutine of its own
	fail  func(error) // ends the connection at once; called without mu

	mu       sync.Mutex
	changed  sync.Cond // the writer has gone, or bytes have shrunk, or err is set
	queue    *backlog  // nil if nothing is queued
	bytes    int       // queued and not yet written
	writing  bool
	err      error
	appended int64 // bytes of the stream, also those dropped; the data of replies doesn't count
	written  int64 // of these, without a gap

	moved time.Time // since when the client has taken nothing; zero if it is not waited for
}

func newOutbox(w io.Writer, limit int, fail func(error)) *outbox {
	o := &outbox{w: w, limit: limit, fail: fail}
	o.changed.L = &o.mu
	return o
}

// append queues b and returns the stream position behind it. It never waits.
// What comes after the end of the connection has its place in the stream too,
// one that written never reaches: who asks finds it unwritten.
func (o *outbox) append(b []byte) int64 {
	o.mu.Lock()
	if o.err == nil && o.bytes+len(b) > o.limit {
		o.mu.Unlock()
		o.stop(errOverflow)
		o.mu.Lock()
	}
	defer o.mu.Unlock()
	if o.err == nil {
		if o.queue == nil {
			o.queue = backlogs.Get().(*backlog)
		}
		o.queue.items = append(o.queue.items, b)
		o.bytes += len(b)
	}
	o.appended += int64(len(b))
	return o.appended
}

// stop drops what is queued and ends the connection.
func (o *outbox) stop(err error) {
	o.mu.Lock()
	first := o.err == nil
	if first {
		o.err, o.queue, o.bytes = err, nil, 0
		o.changed.Broadcast()
	}
	o.mu.Unlock()
	if first {
		o.fail(err)
	}
}

// flush sees to it that what is queued will be written. It never waits.
func (o *outbox) flush() {
	o.mu.Lock()
	start := !o.writing && o.queue != nil
	if start {
		o.writing = true
	}
	o.mu.Unlock()
	switch {
	case !start:
	case o.crew != nil:
		o.crew.add(o)
	default:
		go o.do()
	}
}

// push writes what is queued, unless another one does so already.
func (o *outbox) push() {
	o.mu.Lock()
	mine := !o.writing && o.queue != nil
	if mine {
		o.writing = true
	}
	o.mu.Unlock()
	if mine {
		o.write()
	}
}

// drain returns when everything is written, or with the connection's error.
func (o *outbox) drain() error {
	if err := o.acquire(); err != nil {
		return err
	}
	return o.write()
}

// acquire makes the caller the writer, as soon as there is no other.
func (o *outbox) acquire() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.writing && o.err == nil {
		o.changed.Wait()
	}
	if o.err != nil {
		return o.err
	}
	o.writing = true
	return nil
}

// write writes until nothing is queued, then gives the writer's place back.
func (o *outbox) write() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pump()
	o.leave()
	return o.err
}

// do writes what flush has found.
func (o *outbox) do() { o.write() }

// leave gives the writer's place back. The caller holds mu.
func (o *outbox) leave() {
	o.writing, o.moved = false, time.Time{}
	o.changed.Broadcast()
}

// pump writes what is queued, joined. The caller is the writer and holds mu,
// which is free during each write.
func (o *outbox) pump() {
	record := records.Get().(*[recordSize]byte)
	defer records.Put(record)
	for o.err == nil && o.queue != nil {
		next := o.next(record)
		n := len(next)
		o.moved = time.Time{}
		o.mu.Unlock()
		_, err := o.w.Write(next)
		if err != nil {
			o.stop(err)
		}
		o.mu.Lock()
		if err == nil {
			o.bytes -= n
			o.written += int64(n)
			o.changed.Broadcast()
		}
	}
}

// waits notes that the client does not take what is being written.
func (o *outbox) waits() {
	o.mu.Lock()
	o.moved = time.Now()
	o.mu.Unlock()
}

// next takes from the queue what fits into a record and returns it: as it is, if
// it is all there is, else joined in record.
func (o *outbox) next(record *[recordSize]byte) []byte {
	q, n := o.queue, 0
	if last := len(q.items) - 1; q.next == last && len(q.items[last]) <= recordSize {
		only := q.items[last]
		q.next++
		o.release()
		return only
	}
	for q.next < len(q.items) && n < len(record) {
		item := &q.items[q.next]
		m := copy(record[n:], *item)
		n += m
		if m < len(*item) {
			*item = (*item)[m:]
			break
		}
		q.next++
	}
	if q.next == len(q.items) {
		o.release()
	}
	return record[:n]
}

// release gives the queue back, which is empty: an idle connection holds no memory
// for it.
func (o *outbox) release() {
	q := o.queue
	o.queue = nil
	if cap(q.items) <= mostItems {
		clear(q.items)
		q.items, q.next = q.items[:0], 0
		backlogs.Put(q)
	}
}

// room waits until the client has taken so much that its own next reply fits
// beside what others send it. It writes itself where nobody else does.
func (o *outbox) room() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil && o.bytes > o.limit/2 {
		if o.writing {
			done := o.crew.wait()
			o.changed.Wait()
			done()
			continue
		}
		o.writing = true
		o.pump()
		o.leave()
	}
	return o.err
}

// queued says how many bytes wait.
func (o *outbox) queued() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes
}

// position is how much of the stream the client's connection has taken.
func (o *outbox) position() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.written
}

// A data is the writer's place, held for the data of a reply: events that are
// queued meanwhile follow behind it.
type data struct{ o *outbox }

// Write writes at once, in records of its own.
func (d data) Write(b []byte) (int, error) {
	n, err := d.o.w.Write(b)
	if err != nil {
		d.o.stop(err)
	}
	return n, err
}

// data writes what is queued, then keeps the writer's place for the caller,
// who must give it back with write.
func (o *outbox) data() (data, error) {
	if err := o.acquire(); err != nil {
		return data{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pump()
	o.moved = time.Now()
	return data{o}, o.err
}
