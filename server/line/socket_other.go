//go:build !linux || race

package line

import "syscall"

// The race detector knows of these that what is sent comes before what is
// received.

// send writes to a socket that doesn't block.
func send(fd uintptr, b []byte) (int, error) { return again(syscall.Write, fd, b) }

// receive reads from such a socket.
func receive(fd uintptr, b []byte) (int, error) { return again(syscall.Read, fd, b) }

func again(call func(int, []byte) (int, error), fd uintptr, b []byte) (n int, err error) {
	for {
		if n, err = call(int(fd), b); err != syscall.EINTR {
			return n, err
		}
	}
}
