// Package sandbox keeps the files of each account in a tree of its own: lookup,
// listing, atomic durable publish, removal and rename. It knows ids and virtual
// paths; it must not know wire words, people's names, SQL or who is connected.
//
// On disk, under the directory given to [Open], an id has ID/data, which is all
// that clients see, and ID/tmp for uploads under way and what is kept of those
// that broke off, and ID/trash: on one filesystem, so that a rename publishes. Directories are 0700, files 0600.
//
// # Containment
//
// A tree is held by an [os.Root], where every operation starts; an operation
// that outlives the tree fails there instead of meeting a descriptor used anew.
// But an os.Root follows symbolic links that stay inside, and to look for links
// first would leave a moment between the look and the opening. Here no link is
// ever followed: below the root a path is walked one checked name at a time by
// openat(2) with O_NOFOLLOW, from descriptor to descriptor, so the kernel
// refuses links at the moment of opening, and a name without a slash that is not
// ".." leads nowhere but down.
//
// What is neither a directory nor a regular file with a single link was put
// there by hand. It looks like nothing: it is not listed, opened, removed or
// renamed. Only its name is taken.
//
// # Durability
//
// A method that changes something returns nil once the change would survive a
// power cut: the content's fsync, the change of names, the directory's fsync.
//
// # Locks
//
// A tree's mu comes before its naming, that before its book's mu, and all of them
// before the Disk's.
package sandbox

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// What an operation may refuse, to be asked for with [errors.Is]. Any other
// error is internal: it is for the log, not for a client.
var (
	ErrNotFound = errors.New("sandbox: no such file or directory")
	ErrNotDir   = errors.New("sandbox: not a directory")
	ErrIsDir    = errors.New("sandbox: is a directory")
	ErrName     = errors.New("sandbox: invalid name")
	ErrExists   = errors.New("sandbox: name is taken")
	ErrNotEmpty = errors.New("sandbox: directory not empty")
	ErrDenied   = errors.New("sandbox: not permitted")
	ErrNoSpace  = errors.New("sandbox: no space left")
	ErrQuota    = errors.New("sandbox: quota exceeded")
	ErrLength   = errors.New("sandbox: not the announced length")
	ErrOffset   = errors.New("sandbox: beyond the end of the file")

	// ErrNoPartial is returned where an upload cannot be gone on with: nothing
	// is kept of it, or not so much, or somebody else is going on with it, or
	// the file has changed since.
	ErrNoPartial = errors.New("sandbox: no such partial upload")

	// ErrUncertain is returned when the last fsync failed: the change is
	// visible and whole, but a power cut may undo it. The client can be told
	// neither that it was done nor that it was not.
	ErrUncertain = errors.New("sandbox: changed, but perhaps not durably")
)

// errMoved is returned by a count into which a hand has reached.
var errMoved = errors.New("sandbox: a directory was moved while its root was counted")

// uncertain marks err as one that came after the change.
func uncertain(err error) error { return fmt.Errorf("%w: %w", ErrUncertain, err) }

// refusals are the system's errors that are a client's business.
var refusals = []struct{ from, to error }{
	{unix.ENOENT, ErrNotFound},
	{unix.ELOOP, ErrNotFound}, // a link, met because of O_NOFOLLOW
	{unix.ENXIO, ErrNotFound}, // a socket or a dead device took a file's place
	{fs.ErrClosed, ErrNotFound},
	{unix.ENOTDIR, ErrNotDir},
	{unix.EISDIR, ErrIsDir},
	{unix.ENAMETOOLONG, ErrName},
	{unix.EEXIST, ErrExists},
	{unix.ENOTEMPTY, ErrNotEmpty},
	{unix.ENOSPC, ErrNoSpace},
	{unix.EDQUOT, ErrNoSpace},
	{unix.EFBIG, ErrNoSpace},
}

// refusal returns the error of this package that err stands for, or err marked
// as internal.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	for _, r := range refusals {
		if errors.Is(err, r.from) {
			return r.to
		}
	}
	return fmt.Errorf("sandbox: %w", err)
}
