package sandbox

import (
	"time"

	"golang.org/x/sys/unix"
)

func renameExclusive(fromDir int, from string, toDir int, to string) error {
	return unix.RenameatxNp(fromDir, from, toDir, to, unix.RENAME_EXCL)
}

func renameSwap(oneDir int, one string, otherDir int, other string) error {
	return unix.RenameatxNp(oneDir, one, otherDir, other, unix.RENAME_SWAP)
}

// bootTime returns when the machine was started, at the latest.
func bootTime() time.Time { return time.Now() }
