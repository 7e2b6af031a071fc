package sandbox

import (
	"strings"
	"unicode/utf8"
)

// Bounds, in bytes.
const (
	MaxName = 255  // one component: NAME_MAX of every filesystem in use
	MaxPath = 4096 // a whole virtual path
)

// ValidName reports whether name can be one component of a path: 1 to
// [MaxName] bytes of UTF-8 that a command can carry and a terminal shows as
// they are. "." and ".." are no names. Spaces are kept wherever they stand.
func ValidName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > MaxName || !utf8.ValidString(name) {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		switch {
		case r == '/',
			r < 0x20 && r != '\t', r >= 0x7f && r <= 0x9f, // control characters
			r >= 0x200c && r <= 0x200f,   // ZWNJ, ZWJ, LRM, RLM
			r >= 0x2028 && r <= 0x202e,   // separators, embeddings, overrides
			r >= 0x2066 && r <= 0x2069,   // isolates
			r >= 0xe0000 && r <= 0xe007f: // tags
			return true
		}
		return false
	})
}

// Resolve joins a session's directory and a client's argument to a virtual path
// from the root "/". "." , ".." and repeated slashes are resolved by their
// letters alone; ".." at the root stays there. An argument that can only mean a
// directory, since it ends in a slash, "." or "..", keeps a slash at its end,
// which makes the methods of [Box] refuse a file. An empty argument, one that
// is too long, or one with an invalid component is [ErrName].
func Resolve(cwd, arg string) (string, error) {
	if arg == "" || len(arg) > MaxPath {
		return "", ErrName
	}
	if arg[0] != '/' {
		arg = cwd + "/" + arg
	}
	var names []string
	var last string
	for last = range strings.SplitSeq(arg, "/") {
		switch {
		case last == "" || last == ".":
		case last == "..":
			names = names[:max(0, len(names)-1)]
		case ValidName(last):
			names = append(names, last)
		default:
			return "", ErrName
		}
	}
	path := "/" + strings.Join(names, "/")
	if len(names) > 0 && !ValidName(last) {
		path += "/"
	}
	if len(path) > MaxPath {
		return "", ErrName
	}
	return path, nil
}

// split takes apart a path as Resolve makes them, and nothing else: Box relies
// on it, and on nobody having called Resolve. slash tells whether the path must
// name a directory.
func split(path string) (names []string, slash bool, err error) {
	if path == "/" {
		return nil, true, nil
	}
	rest, ok := strings.CutPrefix(path, "/")
	if !ok || len(path) > MaxPath {
		return nil, false, ErrName
	}
	rest, slash = strings.CutSuffix(rest, "/")
	names = strings.Split(rest, "/")
	for _, name := range names {
		if !ValidName(name) {
			return nil, false, ErrName
		}
	}
	return names, slash, nil
}
