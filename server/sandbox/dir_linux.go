package sandbox

import (
	"time"

	"golang.org/x/sys/unix"
)

func renameExclusive(fromDir int, from string, toDir int, to string) error {
	return unix.Renameat2(fromDir, from, toDir, to, unix.RENAME_NOREPLACE)
}

func renameSwap(oneDir int, one string, otherDir int, other string) error {
	return unix.Renameat2(oneDir, one, otherDir, other, unix.RENAME_EXCHANGE)
}

// bootTime returns when the machine was started.
func bootTime() time.Time {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return time.Now()
	}
	return time.Now().Add(-time.Duration(up.Nano()))
}
