package line

import (
	"context"
	"syscall"
	"time"
)

// A connection that is parked has no goroutine: resume is called on a new one
// when something has happened. Whoever parks or wakes it holds mu, which hands
// the state of its session from one goroutine to the next.

// enterLot has the connection wait in its lot from now on, if it can.
func (c *Conn) enterLot() bool {
	socket, ok := c.raw.(syscall.Conn)
	if !ok || c.opt.Lot == nil {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	c.place = c.opt.Lot.add(c, raw)
	if c.place == 0 {
		return false
	}
	c.crew = &c.opt.Lot.crew
	c.guard.raw, c.guard.crew, c.out.crew = raw, c.crew, c.crew
	return true
}

func (c *Conn) leaveLot() {
	if c.place != 0 {
		c.opt.Lot.remove(c.place)
	}
}

// park has the connection wait without a goroutine. If it can't, because
// something has happened meanwhile, it returns false. Otherwise the caller must
// not touch the connection any more.
func (c *Conn) park() bool {
	at := c.due()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stirred && c.held == "" || c.ending != nil || c.cause != nil {
		return false
	}
	c.parked = true
	switch {
	case at.IsZero():
		c.alarm = nil
	case c.alarm == nil:
		c.alarm = time.AfterFunc(time.Until(at), c.wake)
	default:
		c.alarm.Reset(time.Until(at))
	}
	return true
}

// hold keeps a line that is to wait. Nothing is read before it has been run.
func (c *Conn) hold(text string, wait time.Duration) error {
	c.held, c.until = text, time.Now().Add(wait)
	c.out.push()
	return errNothing
}

// nextLine returns the line that is held, once it has waited, or else the next
// one, as readLine does.
func (c *Conn) nextLine() (text string, waited bool, err error) {
	switch {
	case c.held == "":
		text, err = c.readLine()
		return text, false, err
	case c.broken() != nil:
		return "", false, errClosed
	case time.Now().Before(c.until):
		return "", false, errNothing
	}
	text, c.held = c.held, ""
	return text, true, nil
}

// arrived says that there is something to read, or will be once a line that is
// held has had its time; and whether the client has sent its last.
func (c *Conn) arrived(last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hungUp = c.hungUp || last
	if c.parked && c.held != "" {
		c.stirred = true
		return
	}
	c.rouse()
}

// wake says that something else has happened.
func (c *Conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rouse()
}

// rouse is wake for a caller that holds mu.
func (c *Conn) rouse() {
	if !c.parked {
		c.stirred = true
		return
	}
	c.parked = false
	if c.alarm != nil {
		c.alarm.Stop()
	}
	c.serve()
}

// serve has the connection served on.
func (c *Conn) serve() {
	if c.crew == nil {
		go c.resume()
		return
	}
	c.crew.add(c)
}

func (c *Conn) do() { c.resume() }

// cancelable returns the context of one command, which the end of the
// connection cancels; it is to be released when the command is over.
func (c *Conn) cancelable(ctx context.Context) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel = cancel; c.cause != nil || c.ending == errEnded {
		cancel()
	}
	return ctx, func() {
		c.mu.Lock()
		c.cancel = nil
		c.mu.Unlock()
		cancel()
	}
}
