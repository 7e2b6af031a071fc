package line

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

// A Dialect is one protocol: its commands, its words, and what happens when a
// connection comes and goes.
type Dialect[S any] struct {
	Table *Table[S]
	// Open makes the state of a new connection's session, after the TLS
	// handshake.
	Open func(c *Conn) S
	// Close is called once, on the connection's goroutine, when no command
	// runs any more. clean says that the client has left on purpose (by a Final
	// command, or with a close_notify) and was cut off for nothing before, so
	// that it has read all it was sent.
	Close func(s S, clean bool)
	// Observe is told of every command of the table that was answered, refused
	// ones too: its verb, and the time from its line to its answer, which may
	// wait for those of earlier lines. It may be called from any goroutine, and
	// may be nil.
	Observe func(verb string, took time.Duration)
}

// visitLines is how many lines of one connection are run before others that have
// sent something have their turn.
const visitLines = 64

// errMore says that there may be more to read.
var errMore = errors.New("line: others' turn")

// ErrNotYet is returned by a Prompt row's Run that would have to wait. The
// command is run again after retryTime; what follows on the connection waits with
// it.
var ErrNotYet = errors.New("line: not yet")

const retryTime = 5 * time.Millisecond

var errPanic = errors.New("line: panic in a session")

// A visit is a connection that is being served: what one of its goroutines hands
// on to the next.
type visit[S any] struct {
	*Dialect[S]
	c     *Conn
	s     S
	ctx   context.Context
	stop  func() bool // watching ctx; nil while the connection's lot does
	ended func(error)
}

// Start has c served on goroutines of its own until it ends, and closed. A
// connection in a [Lot] has none while nothing comes from its client. When ctx
// is cancelled the connection is cut off; one in a lot is so only when the
// lot's is. ended is then called, by the last of the goroutines: its error says
// why the connection broke, and is nil if it ended as connections do.
func (d *Dialect[S]) Start(ctx context.Context, c *Conn, ended func(error)) {
	v := &visit[S]{Dialect: d, c: c, ctx: ctx, ended: ended}
	c.words, c.resume = &d.Table.words, v.run
	v.stop = context.AfterFunc(ctx, c.Abort)
	go func() {
		if err := v.open(); err != nil {
			v.over(err)
			return
		}
		c.serve()
	}()
}

// open brings the connection to where lines are read.
func (v *visit[S]) open() (err error) {
	c := v.c
	defer c.rescue(&err)
	c.why = Failed // a panic may leave it at that
	if err := c.handshake(v.ctx); err != nil {
		if c.why = NoHandshake; c.stopping() != nil {
			c.why = c.because(c.stopping())
		}
		return err
	}
	v.s = v.Open(c)
	if c.enterLot() {
		v.stop()
		v.stop = nil
	}
	return nil
}

// run reads lines and runs their commands until nothing has arrived or the
// connection ends.
func (v *visit[S]) run() {
	for {
		err := v.talk()
		switch {
		case err == errMore:
			v.c.serve()
			return // the next goroutine may be running already
		case err != errNothing:
			defer v.c.crew.wait()()
			v.over(v.close(err))
			return
		case v.c.park():
			return // likewise
		}
	}
}

// close ends the session, then the connection.
func (v *visit[S]) close(why error) (err error) {
	c := v.c
	defer c.rescue(&err)
	c.settle()
	c.why = Failed
	v.Close(v.s, c.clean && c.broken() == nil)
	c.in.release()
	if broken := c.broken(); broken != nil {
		c.why = c.because(broken)
		return broken
	}
	c.why = c.because(why)
	return c.leave(why)
}

// over is the end of the last goroutine.
func (v *visit[S]) over(err error) {
	v.c.cut(errClosed)
	v.c.leaveLot()
	if v.stop != nil {
		v.stop()
	}
	v.ended(err)
}

// leave says goodbye as far as the reason allows it.
func (c *Conn) leave(err error) error {
	switch {
	case errors.Is(err, errStopped):
		c.info(c.words.Stopping)
		c.depart(cutAfter)
	case errors.Is(err, errEnded):
		c.mu.Lock()
		why := c.farewell
		c.mu.Unlock()
		c.info(why)
		c.depart(cutAfter)
	case errors.Is(err, os.ErrDeadlineExceeded):
		if c.loggedIn {
			c.info(c.words.Idle)
		} else {
			c.info(c.words.LoginTimeout)
		}
		c.depart(lingerTime)
	case errors.Is(err, errFinal), errors.Is(err, errRefused), errors.Is(err, errFlood):
		c.depart(lingerTime)
	case errors.Is(err, io.EOF):
		c.depart(0)
	default:
		return err
	}
	return nil
}

// talk reads lines and runs their commands. It returns errNothing once it would
// have to wait for a client that can wait in a lot, and errMore when others'
// turn has come; any other error ends the connection.
func (v *visit[S]) talk() (err error) {
	c := v.c
	defer c.rescue(&err)
	for lines := 0; ; lines++ {
		if lines == visitLines && c.crew != nil {
			return errMore
		}
		if err := c.stopping(); err != nil {
			return err
		}
		text, waited, err := c.nextLine()
		whole := err == nil
		if !whole && !errors.Is(err, errTooLong) {
			c.clean = c.clean || errors.Is(err, io.EOF)
			return err
		}
		if !waited && !c.admit(text) {
			return errRefused
		}
		if text == "" && whole {
			continue
		}
		if err := v.handle(v.ctx, c, v.s, text, whole, waited); err != nil {
			return err
		}
	}
}

// rescue keeps a panic in one session from ending the others. It is to be
// deferred.
func (c *Conn) rescue(err *error) {
	if p := recover(); p != nil {
		c.Log().Error("panic in a session", "panic", p, "stack", string(debug.Stack()))
		*err = errPanic
	}
}

// admit counts a client's lines before login. It says goodbye to one that
// does too much, and to a browser, to which nothing here is of use.
func (c *Conn) admit(text string) bool {
	if c.loggedIn {
		return true
	}
	if c.lines++; c.opt.MaxLines > 0 && c.lines > c.opt.MaxLines {
		c.info(c.words.TooMuch)
		return false
	}
	return !strings.HasSuffix(text, " HTTP/1.1") && !strings.HasSuffix(text, " HTTP/1.0")
}

// handle runs the command of one line and answers it, or, unless it has waited
// already, has it wait if that is to be. Any error but errNothing ends the
// connection.
func (d *Dialect[S]) handle(ctx context.Context, c *Conn, s S, text string, whole, waited bool) error {
	if err := c.out.room(); err != nil {
		return err
	}
	row, call, err := d.find(c, text, whole)
	defer call.close()
	if row == nil || !row.Prompt {
		defer c.crew.wait()()
		defer c.heard() // it may take long
		var release func()
		ctx, release = c.cancelable(ctx)
		defer release()
	}
	if err == nil && row.Pace != nil && !waited {
		if wait := row.Pace(s, call); wait > 0 {
			return c.hold(text, wait)
		}
	}
	if err == nil && row.Async {
		call.answer = func(err error) { d.answer(c, row, call, err) }
	} else {
		c.settle()
	}
	if err == nil {
		err = d.do(ctx, s, row, call)
		switch {
		case call.later:
			return nil
		case err == ErrNotYet:
			return c.hold(text, retryTime)
		}
		c.settle() // an Async row that has its answer at once
	}
	switch {
	case call.broken != nil:
		call.end(true, call.broken)
		return call.broken
	case err != nil && ctx.Err() != nil:
		call.end(true, err)
		return errEnded // the client is not told what can't be known
	}
	if err != nil && row != nil && row.Refused != nil {
		row.Refused(s)
	}
	failed := d.answer(c, row, call, err)
	if err == nil && call.body != nil {
		err = c.broken()
		call.end(err != nil, err)
	} else {
		call.end(false, err)
	}
	return failed
}

// do runs a command.
func (d *Dialect[S]) do(ctx context.Context, s S, row *Command[S], call *Call) error {
	returned := false
	defer func() {
		if !returned && call.later {
			call.finish() // a panic may have lost the function that would
		}
	}()
	err := row.Run(s, ctx, call)
	returned = true
	return err
}

// find returns the command of a line, or the error with which it is refused:
// first a wrong form, then a wrong state. The row is nil for an unknown verb.
func (d *Dialect[S]) find(c *Conn, text string, whole bool) (*Command[S], *Call, error) {
	words := d.Table.words
	call := &Call{conn: c, began: time.Now()}
	row, rest, hasRest := d.Table.find(text)
	switch {
	case !whole:
		return row, call, words.TooLong
	case !ValidText(text) && row != nil:
		return row, call, row.Malformed
	case !ValidText(text):
		return row, call, words.BadLine
	case row == nil:
		return row, call, words.Unknown
	}
	args, ok := row.parse(call.few[:0], rest, hasRest)
	switch {
	case !ok:
		return row, call, row.Malformed
	case row.Needs == LoggedIn && !c.loggedIn:
		return row, call, words.NotLoggedIn
	case row.Needs == LoggedOut && c.loggedIn:
		return row, call, words.LoggedIn
	}
	call.Args = args
	return row, call, nil
}

// answer gives the one reply that a command gets.
func (d *Dialect[S]) answer(c *Conn, row *Command[S], call *Call, err error) error {
	if d.Observe != nil && row != nil {
		defer func() { d.Observe(row.Name, time.Since(call.began)) }()
	}
	if err != nil {
		return d.refuse(c, row, call, err)
	}
	say := call.say
	if say == "" {
		say = row.Done
	}
	switch {
	case call.rows != nil:
		err = c.send(func(d data) error { return sendRows(d, call.count, call.rows) })
	case call.body != nil:
		err = c.send(call.sendBytes)
	case call.later:
		c.out.append([]byte(okPrefix + string(say) + "\n"))
	default:
		c.reply(okPrefix, string(say))
		c.info(call.notice)
	}
	if err == nil && row.Final {
		c.clean = true
		return errFinal
	}
	return err
}

func (d *Dialect[S]) refuse(c *Conn, row *Command[S], call *Call, err error) error {
	say := d.word(c, row, err)
	if say == NoAnswer {
		c.cut(err)
		return err
	}
	if call.later {
		c.out.append([]byte(errPrefix + string(say) + "\n"))
		return nil
	}
	c.reply(errPrefix, string(say))
	if row != nil && row.Upload && !call.asked {
		return errRefused
	}
	if c.errors++; !c.loggedIn && c.opt.MaxErrors > 0 && c.errors >= c.opt.MaxErrors {
		c.info(c.words.TooMuch)
		return errRefused
	}
	return nil
}

// word finds the words for an error. What nobody has foreseen is for the log.
func (d *Dialect[S]) word(c *Conn, row *Command[S], err error) Refusal {
	if row != nil {
		if say, ok := row.Refuses.find(err); ok {
			return say
		}
		if errors.Is(err, ErrMalformed) {
			return row.Malformed
		}
	}
	if say, ok := errors.AsType[Refusal](err); ok {
		return say
	}
	c.Log().Error("command failed", "command", row.Name, "err", err)
	return d.Table.words.Internal
}
