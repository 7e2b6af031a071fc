package account

import (
	"strings"
	"testing"
)

func TestKey(t *testing.T) {
	if got := Key("AniL0IZ9"); got != "anil0iz9" {
		t.Errorf("Key = %q", got)
	}
}

func TestSkeleton(t *testing.T) {
	for _, same := range [][]string{
		{"Ani", "ani", "ANI", "an1", "anl", "anL", "anI"},
		{"b0b", "bob", "BOB", "B0b"},
		{"il1IL", "LLLLL", "11111"},
	} {
		for _, name := range same {
			if Skeleton(name) != Skeleton(same[0]) {
				t.Errorf("Skeleton(%q) = %q, but Skeleton(%q) = %q",
					name, Skeleton(name), same[0], Skeleton(same[0]))
			}
		}
	}
	seen := map[string]rune{}
	for _, c := range "abcdefghjklmnopqrstuvwxyz23456789" {
		s := Skeleton(string(c))
		if other, ok := seen[s]; ok {
			t.Errorf("%c and %c have the same skeleton", c, other)
		}
		seen[s] = c
	}
}

func TestValid(t *testing.T) {
	for _, test := range []struct {
		text           string
		name, password bool
	}{
		{"", false, false},
		{"a", true, true},
		{"azAZ09", true, true},
		{strings.Repeat("a", 32), true, true},
		{strings.Repeat("a", 33), false, true},
		{strings.Repeat("a", 128), false, true},
		{strings.Repeat("a", 129), false, false},
		{"a b", false, false},
		{"a-b", false, false},
		{"a\x00", false, false},
		{"ä", false, false},
		{"\u212a", false, false}, // the Kelvin sign, whose lower case is k
		{"\xff", false, false},
		{"@", false, false}, {"[", false, false}, {"`", false, false},
		{"{", false, false}, {"/", false, false}, {":", false, false},
	} {
		if got := ValidName(test.text); got != test.name {
			t.Errorf("ValidName(%q) = %v", test.text, got)
		}
		if got := ValidPassword(test.text); got != test.password {
			t.Errorf("ValidPassword(%q) = %v", test.text, got)
		}
	}
}
