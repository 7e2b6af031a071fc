package line

import "unicode/utf8"

// ValidText says whether s is UTF-8 without control characters, that is: a line
// that may be kept and shown. Control characters are U+0000 to U+001F but tab,
// U+007F to U+009F, and what hides or turns text around: the line and paragraph
// separators, the bidirectional embeddings, overrides and isolates, and the tag
// characters. They are refused rather than stripped, since [OK] means the text
// as it was sent.
func ValidText(s string) bool {
	plain := 0 // bytes that are printable ASCII, which nearly all are
	for plain < len(s) && 0x20 <= s[plain] && s[plain] < 0x7f {
		plain++
	}
	s = s[plain:]
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return false
			}
		}
		if Control(r) {
			return false
		}
	}
	return true
}

// Control says whether r is a control character in the sense of ValidText.
func Control(r rune) bool {
	switch {
	case r == '\t':
		return false
	case r < 0x20, 0x7f <= r && r <= 0x9f:
		return true
	case r == 0x2028, r == 0x2029:
		return true
	case 0x202a <= r && r <= 0x202e, 0x2066 <= r && r <= 0x2069:
		return true
	}
	return 0xe0000 <= r && r <= 0xe007f
}
