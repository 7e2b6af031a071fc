package line

import (
	"bytes"
	"errors"
	"sync"
)

// Errors of a line that can't be run.
var (
	errTooLong = errors.New("line: longer than MaxLine")
	errFlood   = errors.New("line: a line longer than MaxDiscarded")
)

// inputSize leaves room for a line that is one byte too long and for what
// follows it in the same read.
const inputSize = 2 * MaxLine

var inputs = sync.Pool{New: func() any { return new([inputSize]byte) }}

// An input gathers bytes into lines. It holds a buffer only while there are
// bytes in it.
type input struct {
	buf       *[inputSize]byte
	r, w      int
	taken     int64  // bytes that were taken out
	discarded int    // bytes thrown away of a line that is too long
	head      string // how that line began
}

// headSize bounds what is kept of a line that is too long: its verb.
const headSize = 32

// next returns the next whole line without its ending. ok is false if there is
// none yet. A line that was too long is given as errTooLong, with how it began;
// errFlood is final.
func (in *input) next() (line string, ok bool, err error) {
	data := in.bytes()
	end := bytes.IndexByte(data, '\n')
	switch {
	case end < 0 && in.discarded == 0 && len(data) < MaxLine:
		return "", false, nil
	case end < 0:
		return "", false, in.discard(len(data))
	case in.discarded > 0 || end >= MaxLine:
		if err := in.discard(end + 1); err != nil {
			return "", false, err
		}
		line, in.head, in.discarded = in.head, "", 0
		return line, true, errTooLong
	}
	line = string(bytes.TrimSuffix(data[:end], []byte{'\r'}))
	in.take(end + 1)
	return line, true, nil
}

func (in *input) discard(n int) error {
	if in.discarded == 0 {
		in.head = string(in.bytes()[:min(n, headSize)])
	}
	in.discarded += n
	in.take(n)
	if in.discarded > MaxDiscarded {
		return errFlood
	}
	return nil
}

// bytes are those that were read and not taken yet.
func (in *input) bytes() []byte {
	if in.buf == nil {
		return nil
	}
	return in.buf[in.r:in.w]
}

// take removes the first n bytes, and gives the buffer back with the last one.
func (in *input) take(n int) {
	in.r += n
	in.taken += int64(n)
	if in.r == in.w {
		in.release()
	}
}

// room borrows a buffer if need be and returns its free part, which is never
// empty as long as next is called after each read.
func (in *input) room() []byte {
	if in.buf == nil {
		in.buf = inputs.Get().(*[inputSize]byte)
	}
	if in.r > 0 {
		in.w = copy(in.buf[:], in.buf[in.r:in.w])
		in.r = 0
	}
	return in.buf[in.w:]
}

// added says that n bytes were read into room.
func (in *input) added(n int) {
	in.w += n
	if in.r == in.w {
		in.release()
	}
}

func (in *input) release() {
	if in.buf != nil {
		inputs.Put(in.buf)
	}
	in.buf, in.r, in.w = nil, 0, 0
}
