package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

const (
	saltSize = 16 // bytes, as RFC 9106, section 3.1 recommends
	tagSize  = 32 // bytes
)

// The least and the most that a hash may cost, be it a new one or one that the
// store returns.
const (
	maxMemory  = 1 << 20 // KiB, so 1 GiB
	maxTime    = 16
	maxThreads = 16
)

// errHash is what a stored hash is refused with. It must not quote the hash.
var errHash = errors.New("account: the stored password hash is damaged")

// A Cost is what one argon2id hash takes (RFC 9106, section 3.1). A field that
// is 0 has its default.
type Cost struct {
	Memory  uint32 // KiB; default 19456 (19 MiB), 8 per thread to 1 GiB
	Time    uint32 // passes over the memory; default 2, at most 16
	Threads uint8  // lanes; default 1, at most 16
}

func (c Cost) orDefault() Cost {
	if c.Memory == 0 {
		c.Memory = 19 << 10
	}
	if c.Time == 0 {
		c.Time = 2
	}
	if c.Threads == 0 {
		c.Threads = 1
	}
	return c
}

func (c Cost) valid() bool {
	return 1 <= c.Threads && c.Threads <= maxThreads &&
		1 <= c.Time && c.Time <= maxTime &&
		8*uint32(c.Threads) <= c.Memory && c.Memory <= maxMemory
}

// A phc is a hash taken apart. Its text is in the PHC string format:
// $argon2id$v=19$m=19456,t=2,p=1$salt$tag, salt and tag in base64 without
// padding.
type phc struct {
	cost      Cost
	salt, tag []byte
}

func (p phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		p.cost.Memory, p.cost.Time, p.cost.Threads,
		base64.RawStdEncoding.EncodeToString(p.salt),
		base64.RawStdEncoding.EncodeToString(p.tag))
}

// parse takes apart what String wrote. The parameters come with the hash, so
// that a change of the configured cost leaves older hashes as good as they
// were; out of bounds they are refused, since a hash of 4 TiB would end the
// daemon.
func parse(text string) (phc, error) {
	var p phc
	part := strings.Split(text, "$")
	if len(part) != 6 {
		return p, errHash
	}
	_, errCost := fmt.Sscanf(part[3], "m=%d,t=%d,p=%d", &p.cost.Memory, &p.cost.Time, &p.cost.Threads)
	var errSalt, errTag error
	p.salt, errSalt = base64.RawStdEncoding.DecodeString(part[4])
	p.tag, errTag = base64.RawStdEncoding.DecodeString(part[5])
	switch {
	case errCost != nil || errSalt != nil || errTag != nil,
		!p.cost.valid(), len(p.salt) != saltSize, len(p.tag) != tagSize,
		p.String() != text: // another algorithm or version, or rubbish between
		return phc{}, errHash
	}
	return p, nil
}

// matches tells whether the hash is that of password. It takes as long for a
// wrong one as for the right one.
func (p phc) matches(password string) bool {
	return subtle.ConstantTimeCompare(p.tag, derive(password, p.salt, p.cost)) == 1
}

func derive(password string, salt []byte, c Cost) []byte {
	return argon2.IDKey([]byte(password), salt, c.Time, c.Memory, c.Threads, tagSize)
}

// newHash hashes a new password. The caller holds a slot.
func newHash(password string, c Cost) string {
	salt := random(saltSize)
	return phc{c, salt, derive(password, salt, c)}.String()
}

// noHash is the hash of no password, made without the cost of one. To compare
// with it takes as long as with a real one.
func noHash(c Cost) string { return phc{c, random(saltSize), random(tagSize)}.String() }

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// Slots bound how many hashes are computed at once: each takes Cost.Memory, so
// this is what bounds the daemon's memory when many log in together.
type slots chan struct{}

// acquire waits for a slot in the order of arrival, or until ctx is done.
func (s slots) acquire(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s slots) release() { <-s }
