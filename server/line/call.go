package line

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The units of a reply that carries data: "[OK] 3 baris", "[OK] 1024 byte".
const (
	rowsUnit  = " baris"
	bytesUnit = " byte"
)

// dot ends the lines of ReceiveText.
const dot = "."

const (
	// receiveSize is how many bytes of an upload are written to its file at
	// once. More gain nothing: they don't stay in the processor's cache.
	receiveSize = 128 << 10
	// sendSize is how many bytes of a body are read at once, but for the first
	// ones, which share that room with the line before them. They are a page
	// fewer, since the kernel copies a file best from the beginnings of pages.
	sendSize = 64 << 10
	pageSize = 4 << 10
	// heldTime is how long what was read of a body may wait for the rest of a
	// system call's worth.
	heldTime = 100 * time.Millisecond
)

var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, recordSize) }}

// A Call is one command under way. Its methods say what a success is answered;
// without any of them it is the row's Done. It belongs to the connection's
// goroutine.
type Call struct {
	// Args are the arguments by position. Optional ones that the client left
	// out are missing.
	Args []string

	few    [2]string // the room for Args, of most rows
	conn   *Conn
	began  time.Time
	say    Reply
	notice string
	count  int64
	rows   iter.Seq2[string, error]
	body   io.Reader
	closer io.Closer
	asked  bool  // for the data of an upload
	broken error // the connection broke in the middle of the data
	moved  int64 // bytes of data
	ended  func(cut bool, err error)
	later  bool
	answer func(error)
	done   atomic.Bool // of a later answer
}

// Arg is the argument at i, or "" if the client left it out.
func (c *Call) Arg(i int) string {
	if i < len(c.Args) {
		return c.Args[i]
	}
	return ""
}

// Say sets the text of the reply. It must not look like one that carries data.
func (c *Call) Say(r Reply) { c.say = r }

// Moved is how many bytes of a file this command has received, or sent as the
// body of Bytes.
func (c *Call) Moved() int64 { return c.moved }

// OnEnd has f told how the command ended: with nil, with the error with which it
// was refused, or, if cut, with the one that ended the connection before all
// data had been received or sent. It is not for an Async row.
func (c *Call) OnEnd(f func(cut bool, err error)) { c.ended = f }

func (c *Call) end(cut bool, err error) {
	if c.ended != nil {
		c.ended(cut, err)
	}
}

// Notice has an [INFO] line follow the reply of a success that carries no data.
func (c *Call) Notice(text string) { c.notice = text }

// Lines answers with rows.
func (c *Call) Lines(lines []string) {
	c.Rows(len(lines), func(yield func(string, error) bool) {
		for _, text := range lines {
			if !yield(text, nil) {
				return
			}
		}
	})
}

// Rows answers with n rows, which are taken from rows while they are sent. If
// there are fewer, or one comes with an error, the connection is cut off, since
// the client was promised n.
func (c *Call) Rows(n int, rows iter.Seq2[string, error]) { c.count, c.rows = int64(n), rows }

// Bytes answers with n bytes of body. If there are fewer, the connection is cut
// off. body is closed in any case, also where the command fails.
func (c *Call) Bytes(n int64, body io.ReadCloser) {
	c.count, c.body = n, body
	c.Closing(body)
}

// Closing has x closed when the command is over, whether or not it was answered.
func (c *Call) Closing(x io.Closer) { c.closer = x }

// Later leaves the answer of an Async row to the function that it returns. That
// must be called exactly once, from any goroutine, with the command's error; it
// doesn't wait, and the connection must be flushed afterwards. Run then returns
// nil.
func (c *Call) Later() func(error) {
	c.conn.begin()
	c.later = true
	return func(err error) {
		c.answer(err)
		c.finish()
	}
}

// finish says, the first time, that a later answer is owed no more.
func (c *Call) finish() {
	if !c.done.Swap(true) {
		c.conn.finish()
	}
}

// close closes what was asked for.
func (c *Call) close() {
	if c.closer != nil {
		c.closer.Close()
	}
}

// Receive answers with first, then copies exactly n bytes of the client's to w.
// If w fails, the rest is taken all the same and w's error returned. If the
// connection breaks, w gets all that came before, and the client gets no answer
// whatever Run returns.
func (c *Call) Receive(first Reply, n int64, w io.Writer) error {
	conn := c.conn
	if err := c.ask(first); err != nil {
		return err
	}
	defer conn.receive(false)
	conn.sized = true
	defer func() { conn.sized = false }()
	buf, bulk, free := borrow(n, receiveSize, aheadSize)
	defer free()
	defer conn.guard.readAhead(bulk)()
	var failed error
	for n > 0 {
		chunk := buf[:min(n, int64(len(buf)))]
		got, err := conn.readFull(chunk)
		c.received(got)
		n -= int64(got)
		if failed == nil && got > 0 {
			_, failed = w.Write(chunk[:got])
		}
		if err != nil {
			c.broken = err
			return err
		}
	}
	return failed
}

// ReceiveText answers with first, then copies lines to w, each ended by LF,
// until one that is a single dot. One leading dot is removed from the others.
// After a line that is too long or not valid the rest is taken, and the line's
// refusal returned; of several failures the first.
func (c *Call) ReceiveText(first Reply, w io.Writer) error {
	conn := c.conn
	if err := c.ask(first); err != nil {
		return err
	}
	defer conn.receive(false)
	out := bufio.NewWriter(w)
	var failed error
	for {
		text, err := conn.readLine()
		switch {
		case errors.Is(err, errTooLong):
			err = conn.words.TooLong
		case err != nil:
			c.broken = noEOF(err)
			return c.broken
		case text == dot && failed == nil:
			return out.Flush()
		case text == dot:
			return failed
		case !ValidText(text):
			err = conn.words.BadLine
		case failed == nil:
			text = strings.TrimPrefix(text, dot) + "\n"
			c.received(len(text))
			_, err = out.WriteString(text)
		}
		if failed == nil {
			failed = err
		}
	}
}

func (c *Call) received(n int) {
	c.moved += int64(n)
	c.conn.opt.Counters.Received.Add(int64(n))
}

// ask sends the reply after which the client sends its data.
func (c *Call) ask(first Reply) error {
	c.asked = true
	c.conn.receive(true)
	c.conn.reply(okPrefix, string(first))
	if c.broken = c.conn.out.drain(); c.broken != nil {
		c.conn.receive(false)
	}
	return c.broken
}

func (c *Conn) receive(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.receiving = on
	if c.ending == nil {
		c.raw.SetReadDeadline(time.Time{}) // reads that don't wait set none
	}
}

// readFull fills b with what the client sends, and returns how much it was.
func (c *Conn) readFull(b []byte) (n int, err error) {
	n = copy(b, c.in.bytes())
	if n > 0 {
		c.in.take(n)
	}
	for n < len(b) {
		m, err := c.read(b[n:])
		n += m
		if err != nil {
			return n, noEOF(err)
		}
	}
	return n, nil
}

var errPromise = errors.New("line: the data of a reply is not what was promised")

// send has write send a reply with its data, while events wait. If write fails
// or panics the connection is cut off in the middle of the data: without a
// close_notify and without a further byte, so that the client knows.
func (c *Conn) send(write func(data) error) (err error) {
	d, err := c.out.data()
	if err != nil {
		return err
	}
	defer c.out.write()
	err = errPromise
	defer func() {
		if err != nil {
			c.cut(err)
		}
	}()
	return write(d)
}

// sendRows sends n rows behind their number.
func sendRows(d data, n int64, rows iter.Seq2[string, error]) error {
	w := writers.Get().(*bufio.Writer)
	w.Reset(d)
	defer func() {
		w.Reset(nil)
		writers.Put(w)
	}()
	w.WriteString(okPrefix + strconv.FormatInt(n, 10) + rowsUnit + "\n")
	for text, err := range rows {
		if err != nil || n == 0 {
			return errors.Join(errPromise, err)
		}
		n--
		if _, err := w.WriteString(text + "\n"); err != nil {
			return err
		}
	}
	if n > 0 {
		return errPromise
	}
	return w.Flush()
}

// sendBytes sends the body behind its number of bytes, which goes out together
// with the first of them.
func (c *Call) sendBytes(d data) error {
	n := c.count
	line := okPrefix + strconv.FormatInt(n, 10) + bytesUnit + "\n"
	buf, bulk, free := borrow(n, sendSize, heldSize)
	defer free()
	defer c.conn.guard.gather(bulk)()
	head := copy(buf, line)
	chunk, flushed := buf[:len(buf)-pageSize+head], time.Now()
	for {
		chunk = chunk[:min(n+int64(head), int64(len(chunk)))]
		read, err := io.ReadAtLeast(c.body, chunk[head:], min(1, len(chunk)-head))
		if err != nil {
			return errors.Join(errPromise, err)
		}
		if _, err := d.Write(chunk[:head+read]); err != nil {
			return err
		}
		n -= int64(read)
		// What there is goes out, so that a slow body is no silence.
		if n == 0 || head+read < len(chunk) || time.Since(flushed) > heldTime {
			if err := c.conn.guard.flush(); err != nil {
				return err
			}
			flushed = time.Now()
		}
		c.moved += int64(read)
		c.conn.opt.Counters.Sent.Add(int64(read))
		if n == 0 {
			return nil
		}
		chunk, head = buf, 0
	}
}
