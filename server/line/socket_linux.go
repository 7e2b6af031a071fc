//go:build !race

package line

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls that never wait are hidden from Go's scheduler: its monitor
// would wake with each, and take the processor from one that lasts.

// send is send(2) on a socket that doesn't block.
func send(fd uintptr, b []byte) (int, error) {
	return transfer(unix.SYS_SENDTO, fd, b, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

// receive is recv(2) on such a socket.
func receive(fd uintptr, b []byte) (int, error) {
	return transfer(unix.SYS_RECVFROM, fd, b, unix.MSG_DONTWAIT)
}

func transfer(call, fd uintptr, b []byte, flags uintptr) (int, error) {
	for {
		n, _, err := syscall.RawSyscall6(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
		switch err {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, err
		}
	}
}
