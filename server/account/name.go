package account

import "strings"

// The bounds of names and passwords, in characters, which are bytes as well.
const (
	maxName     = 32
	maxPassword = 128
)

// skeleton maps the letters and digits that are easily mistaken for each other
// to one of them.
var skeleton = strings.NewReplacer("0", "o", "1", "l", "i", "l")

// Key is the form under which a name is looked up: lower case. Accounts and
// groups both use it.
func Key(name string) string { return strings.ToLower(name) }

// Skeleton is the form in which names that a reader could mistake for each
// other are the same: lower case, with 0 as o, and 1 and i as l. A name whose
// skeleton an account or a group has is taken.
func Skeleton(name string) string { return skeleton.Replace(Key(name)) }

// ValidName tells whether name is 1 to 32 of A-Z, a-z and 0-9, which is what
// accounts and groups may be called. Seed: LOGIN, JOIN GRUP.
func ValidName(name string) bool { return alphanumeric(name, maxName) }

// ValidPassword tells whether password is 1 to 128 of A-Z, a-z and 0-9, which
// is what a line can carry. Seed: LOGIN, JOIN GRUP. A new password of an
// account has to be longer than that demands, see Options.
func ValidPassword(password string) bool { return alphanumeric(password, maxPassword) }

func alphanumeric(s string, longest int) bool {
	if len(s) < 1 || len(s) > longest {
		return false
	}
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			return false
		}
	}
	return true
}
