package line

import (
	"context"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Lot is where connections wait that have nothing to do: a set of epoll(7),
// and one goroutine for all of them. The sockets stay with Go's poller as well,
// whose deadlines and waiting reads remain in use.
//
// The set is edge-triggered, so that a connection enters it once and needs no
// further system call: whoever parks has seen that nothing has arrived, or has
// read less than it asked for (epoll(7)), and has heard of nothing since before
// it looked.
type Lot struct {
	epoll *os.File
	raw   syscall.RawConn

	crew crew // which serves them

	mu    sync.Mutex
	conns map[uint64]*Conn // by place; nil once the lot is closed
	last  uint64           // no place is given twice, as descriptors are
}

// NewLot opens a lot. When ctx is cancelled it is closed, and all that is in it
// cut off. On systems without epoll it returns nil, for which connections wait
// on goroutines of their own.
func NewLot(ctx context.Context) (*Lot, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// One that doesn't block goes to Go's poller, in which epoll sets nest: so
	// waiting for events holds no thread.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	l := &Lot{epoll: os.NewFile(uintptr(fd), "epoll"), conns: map[uint64]*Conn{}}
	l.crew.init()
	if l.raw, err = l.epoll.SyscallConn(); err != nil {
		l.epoll.Close()
		return nil, err
	}
	go l.watch()
	context.AfterFunc(ctx, l.close)
	return l, nil
}

// add has c woken when something arrives, and returns its place; 0 if there is
// none for it.
func (l *Lot) add(c *Conn, raw syscall.RawConn) (place uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		return 0
	}
	event := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(l.last + 1), Pad: int32((l.last + 1) >> 32),
	}
	added := unix.EBADF
	l.raw.Control(func(set uintptr) {
		raw.Control(func(fd uintptr) {
			added, _ = unix.EpollCtl(int(set), unix.EPOLL_CTL_ADD, int(fd), &event).(unix.Errno)
		})
	})
	if added != 0 {
		return 0
	}
	l.last++
	l.conns[l.last] = c
	return l.last
}

// remove forgets a connection that is closed, and so out of the set.
func (l *Lot) remove(place uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, place)
}

// watch waits for events until the lot is closed.
func (l *Lot) watch() {
	var events [128]unix.EpollEvent
	l.raw.Read(func(set uintptr) bool {
		for {
			n, err := unix.EpollWait(int(set), events[:], 0)
			if err == nil {
				l.wake(events[:n])
			}
			if err != unix.EINTR && n < len(events) {
				return false // and wait
			}
		}
	})
}

func (l *Lot) wake(events []unix.EpollEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		if c := l.conns[uint64(uint32(e.Fd))|uint64(uint32(e.Pad))<<32]; c != nil {
			c.arrived(e.Events&unix.EPOLLRDHUP != 0)
		}
	}
}

func (l *Lot) close() {
	l.mu.Lock()
	conns := l.conns
	l.conns = nil
	l.mu.Unlock()
	for _, c := range conns {
		c.Abort()
	}
	l.epoll.Close()
	l.crew.close()
}

// Turn waits until what had arrived on connections in the lot is read, and what
// they were told to flush is written, but for what waits for its client and what
// other processors are at work on.
func (l *Lot) Turn() {
	if l != nil {
		l.crew.turn()
	}
}
