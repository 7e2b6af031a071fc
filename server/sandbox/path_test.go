package sandbox

import (
	"path"
	"strings"
	"testing"
)

func TestValidName(t *testing.T) {
	for _, name := range []string{
		"a\tb",
		"a", "a b", " a", "a ", "...", ".a", "a.", "grup", "-rf", "~", `a\b`, "café", "文件", "😀",
		strings.Repeat("a", 255), "\u00a0", "\u200b", "\u2010", "\u202f", "\u2065", "\u206a", "\U000e0080", "\ufffd",
	} {
		if !ValidName(name) {
			t.Errorf("%q refused", name)
		}
	}
	for _, name := range []string{
		"", ".", "..", "/", "a/b", strings.Repeat("a", 256), strings.Repeat("é", 128), "\xff", "a\xc3", "\xed\xa0\x80",
		"\x00", "a\x00b", "a\r", "a\n", "\x1f", "\x7f", "\u0080", "\u009f",
		"\u200c", "\u200d", "\u200e", "\u200f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069",
		"\U000e0000", "\U000e007f",
	} {
		if ValidName(name) {
			t.Errorf("%q accepted", name)
		}
	}
}

func TestResolve(t *testing.T) {
	long := strings.Repeat("/"+strings.Repeat("a", 255), 16) // 4096 bytes
	for _, tt := range []struct{ cwd, arg, want string }{
		{"/", "a", "/a"},
		{"/", "/a", "/a"},
		{"/a", "b", "/a/b"},
		{"/a/", "b", "/a/b"},
		{"/a", "/b", "/b"},
		{"/a", "../b", "/b"},
		{"/a", "..", "/"},
		{"/a/b", "..", "/a/"},
		{"/a/b", ".", "/a/b/"},
		{"/", ".", "/"},
		{"/", "..", "/"},
		{"/", "../../..", "/"},
		{"/", "/../../etc/passwd", "/etc/passwd"},
		{"/a/b", "../../../../c", "/c"},
		{"/", "a/../../b", "/b"},
		{"/", "//a///b", "/a/b"},
		{"/", "a/", "/a/"},
		{"/", "a//", "/a/"},
		{"/", "a/.", "/a/"},
		{"/", "a/b/..", "/a/"},
		{"/", "a/..", "/"},
		{"/", "/", "/"},
		{"/", " a ", "/ a "},
		{"/", "...", "/..."},
		{"", "a", "/a"},
		{"/", long, long},
	} {
		got, err := Resolve(tt.cwd, tt.arg)
		if got != tt.want || err != nil {
			t.Errorf("Resolve(%q, %q) = %q, %v, want %q", tt.cwd, tt.arg, got, err, tt.want)
		}
	}
	for _, tt := range []struct{ cwd, arg string }{
		{"/", ""},
		{"/", "a\x00b"},
		{"/", "a\n"},
		{"/", "\r"},
		{"/", "\xff/a"},
		{"/", "\xff/.."},
		{"/", strings.Repeat("a", 256)},
		{"/", long + "/"},
		{"/b", long[1:]},
		{"/", strings.Repeat("./", 2049)},
	} {
		if got, err := Resolve(tt.cwd, tt.arg); err != ErrName {
			t.Errorf("Resolve(%q, %q) = %q, %v, want ErrName", tt.cwd, tt.arg, got, err)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, path := range []string{"", "a", "//", "/a//b", "/a//", "/.", "/..", "/a/..", "/a/../b", "/\x00", "/a\n", "/" + strings.Repeat("a/", 2048)} {
		if names, _, err := split(path); err != ErrName {
			t.Errorf("split(%q) = %q, %v, want ErrName", path, names, err)
		}
	}
}

func FuzzResolve(f *testing.F) {
	f.Add("/", "../../etc/passwd")
	f.Add("/a/b", "..//./c/")
	f.Add("/a/", "/..a/.../ ")
	f.Add("", "\xff\x00\r\n\u202e")
	f.Add("/grup/dapur", "../../grup")
	f.Add("/a", strings.Repeat("b/", 2048))
	f.Fuzz(func(t *testing.T, cwd, arg string) {
		got, err := Resolve(cwd, arg)
		if err != nil {
			if err != ErrName || got != "" {
				t.Fatalf("Resolve(%q, %q) = %q, %v", cwd, arg, got, err)
			}
			return
		}
		bare := got
		if got != "/" {
			bare = strings.TrimSuffix(got, "/")
		}
		if !path.IsAbs(got) || path.Clean(got) != bare || len(got) > MaxPath {
			t.Fatalf("Resolve(%q, %q) = %q, not clean", cwd, arg, got)
		}
		if _, _, err := split(got); err != nil {
			t.Fatalf("Resolve(%q, %q) = %q, which split refuses", cwd, arg, got)
		}
		if again, err := Resolve("/elsewhere", got); again != got || err != nil {
			t.Fatalf("Resolve(%q) = %q, %v", got, again, err)
		}
		// It leads where the same letters lead anywhere else.
		if !path.IsAbs(arg) {
			arg = cwd + "/" + arg
		}
		if want := path.Clean("/" + arg); bare != want {
			t.Fatalf("got %q, want %q", bare, want)
		}
	})
}
