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
	queue    [][]byte
	bytes    int // queued and not yet written
	writing  bool
	err      error
	appended int64 // bytes of the stream, also those dropped; the data of replies doesn't count
	written  int64 // of these, without a gap

	moved time.Time // when the writer last took something up; zero without one
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
		o.queue = append(o.queue, b)
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
	start := !o.writing && len(o.queue) > 0
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
	mine := !o.writing && len(o.queue) > 0
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
	for o.err == nil && len(o.queue) > 0 {
		o.moved = time.Now()
		n := o.fill(record)
		o.mu.Unlock()
		_, err := o.w.Write(record[:n])
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
	o.queue = nil // an idle connection holds no memory for it
}

// fill moves what fits from the queue into record.
func (o *outbox) fill(record *[recordSize]byte) int {
	n, i := 0, 0
	for i < len(o.queue) && n < len(record) {
		m := copy(record[n:], o.queue[i])
		n += m
		if m < len(o.queue[i]) {
			o.queue[i] = o.queue[i][m:]
			break
		}
		o.queue[i] = nil
		i++
	}
	o.queue = o.queue[i:]
	return n
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
