package line

import (
	"testing"
	"unicode/utf8"
)

func TestControl(t *testing.T) {
	// What the contract names, in its words.
	classes := [][2]rune{
		{0x00, 0x08}, {0x0a, 0x1f}, {0x7f, 0x9f}, {0x2028, 0x2028}, {0x2029, 0x2029},
		{0x202a, 0x202e}, {0x2066, 0x2069}, {0xe0000, 0xe007f},
	}
	for r := rune(0); r <= utf8.MaxRune; r++ {
		want := false
		for _, c := range classes {
			want = want || c[0] <= r && r <= c[1]
		}
		if Control(r) != want {
			t.Fatalf("Control(%U) is %v", r, !want)
		}
		if utf8.ValidRune(r) && ValidText("a"+string(r)+"b") == want {
			t.Fatalf("ValidText with %U is %v", r, want)
		}
	}
}

func TestValidText(t *testing.T) {
	for text, want := range map[string]bool{
		"":                               true,
		"a\tb":                           true,
		"\u200c\u200d\u200e\u200f":       true, // ZWNJ, ZWJ, LRM, RLM
		"\ufffd":                         true, // the replacement character itself
		"\xff":                           false,
		"a\xc3":                          false, // cut off
		"\xc0\x80":                       false, // too long a form of NUL
		"\xed\xa0\x80":                   false, // half of a surrogate pair
		"\xf4\x90\x80\x80":               false, // beyond Unicode
		"\ufffd\xff":                     false,
		"a\rb":                           false,
		"\U0001f468\u200d\U0001f469":     true,
		"\U0001f3f4\U000e0067\U000e007f": false, // tags
	} {
		if ValidText(text) != want {
			t.Errorf("ValidText(%q) is %v", text, !want)
		}
	}
}
