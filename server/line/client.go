package line

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// ErrProtocol is returned by a Client that was sent what no server says.
var ErrProtocol = errors.New("line: not an answer of this protocol")

// A Client is the other end of a connection. It belongs to one goroutine at a
// time.
type Client struct {
	// Event is called for every line that begins with another tag than [OK] or
	// [ERR], while an answer is awaited. It may be nil.
	Event func(text string)

	nc net.Conn
	r  *bufio.Reader
}

// NewClient speaks over nc, whose deadlines remain the caller's.
func NewClient(nc net.Conn) *Client {
	return &Client{nc: nc, r: bufio.NewReaderSize(nc, MaxReply)}
}

// An Answer is a successful reply.
type Answer struct {
	Text  string   // what follows "[OK] "
	Rows  []string // of "[OK] N baris"
	Bytes int64    // of "[OK] N byte": they must be taken with ReadData next
}

// Send sends one line. It may also hold several, each but the last with its LF.
func (c *Client) Send(text string) error {
	_, err := io.WriteString(c.nc, text+"\n")
	return err
}

// Do sends a command and awaits its answer. A refusal is returned as a Refusal.
func (c *Client) Do(command string) (Answer, error) {
	if err := c.Send(command); err != nil {
		return Answer{}, err
	}
	return c.Answer()
}

// Answer awaits the answer of a command that was sent.
func (c *Client) Answer() (Answer, error) {
	for {
		text, err := c.ReadLine()
		if err != nil {
			return Answer{}, err
		}
		if say, ok := strings.CutPrefix(text, okPrefix); ok {
			return c.data(say)
		}
		if say, ok := strings.CutPrefix(text, errPrefix); ok {
			return Answer{}, Refusal(say)
		}
		if !strings.HasPrefix(text, "[") {
			return Answer{}, fmt.Errorf("%w: %.80q", ErrProtocol, text)
		}
		if c.Event != nil {
			c.Event(text)
		}
	}
}

// data reads the rows that an answer announces.
func (c *Client) data(say string) (Answer, error) {
	a := Answer{Text: say}
	if n, ok := amount(say, bytesUnit); ok {
		a.Bytes = n
		return a, nil
	}
	n, ok := amount(say, rowsUnit)
	for ; ok && n > 0; n-- {
		row, err := c.ReadLine()
		if err != nil {
			return a, noEOF(err)
		}
		a.Rows = append(a.Rows, row)
	}
	return a, nil
}

func amount(say, unit string) (int64, bool) {
	number, ok := strings.CutSuffix(say, unit)
	n, err := strconv.ParseUint(number, 10, 63)
	return int64(n), ok && err == nil
}

// ReadLine reads the next line as it comes, without its ending, of at most
// MaxReply bytes with it. It returns io.EOF where the server has closed between
// two lines.
func (c *Client) ReadLine() (string, error) {
	text, err := c.r.ReadSlice('\n')
	if err != nil {
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			err = ErrProtocol
		case len(text) > 0:
			err = noEOF(err)
		}
		return "", err
	}
	return string(text[:len(text)-1]), nil
}

// ReadData copies the n bytes of an answer to w.
func (c *Client) ReadData(w io.Writer, n int64) error {
	_, err := io.CopyN(w, c.r, n)
	return noEOF(err)
}

// Write sends the data of an upload.
func (c *Client) Write(b []byte) (int, error) { return c.nc.Write(b) }

// Close closes the connection.
func (c *Client) Close() error { return c.nc.Close() }

// noEOF makes an end in the middle of data an error that can't be taken for a
// regular one.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
