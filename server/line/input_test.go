package line

import (
	"bytes"
	"strings"
	"testing"
)

// feed gives an input its bytes in chunks of the given sizes, again and again,
// and returns the lines that came out, errors in their place.
func feed(t *testing.T, in *input, data, sizes []byte) (lines []string) {
	for i := 0; len(data) > 0; i++ {
		n := 1
		if len(sizes) > 0 {
			n += int(sizes[i%len(sizes)])
		}
		room := in.room()
		if len(room) == 0 {
			t.Fatal("no room left")
		}
		n = copy(room[:min(n, len(room))], data)
		data = data[n:]
		in.added(n)
		for {
			line, ok, err := in.next()
			if err == errFlood {
				in.release()
				return append(lines, err.Error())
			}
			if !ok {
				break
			}
			if err != nil {
				line = err.Error() + line
			}
			lines = append(lines, line)
		}
	}
	if rest := in.bytes(); len(rest) == 0 && in.buf != nil {
		t.Error("a buffer is held for nothing")
	}
	in.release()
	return lines
}

// reference says which lines are in data, in the plainest way.
func reference(data []byte) (lines []string) {
	for {
		text, rest, found := bytes.Cut(data, []byte("\n"))
		switch size := len(text) + 1; {
		case size > MaxDiscarded && (found || size > MaxDiscarded+1):
			return append(lines, errFlood.Error())
		case !found:
			return lines
		case size > MaxLine:
			lines = append(lines, errTooLong.Error()+string(text[:headSize]))
		default:
			lines = append(lines, strings.TrimSuffix(string(text), "\r"))
		}
		data = rest
	}
}

func TestInput(t *testing.T) {
	long := repeat("a", MaxLine-1)
	for name, test := range map[string]struct {
		sent string
		want []string
	}{
		"LF":                {"one\ntwo\n", []string{"one", "two"}},
		"CRLF":              {"one\r\ntwo\r\n", []string{"one", "two"}},
		"CR inside":         {"a\rb\r\r\n", []string{"a\rb\r"}},
		"empty":             {"\n\r\n", []string{"", ""}},
		"no end":            {"one\ntwo", []string{"one"}},
		"longest":           {long + "\nnext\n", []string{long, "next"}},
		"longest with CRLF": {long[1:] + "\r\nnext\n", []string{long[1:], "next"}},
		"one more":          {long + "a\nnext\n", []string{errTooLong.Error() + long[:headSize], "next"}},
		"one more, CRLF":    {long + "\r\nnext\n", []string{errTooLong.Error() + long[:headSize], "next"}},
		"most discarded":    {repeat("a", MaxDiscarded-1) + "\nnext\n", []string{errTooLong.Error() + long[:headSize], "next"}},
		"flood":             {repeat("a", MaxDiscarded) + "\nnext\n", []string{errFlood.Error()}},
		"endless":           {repeat("a", MaxDiscarded+1), []string{errFlood.Error()}},
	} {
		for _, sizes := range [][]byte{nil, {0, 99, 255}, {255}} {
			if sizes == nil && len(test.sent) > 4*MaxLine {
				continue // a million chunks of one byte show nothing more
			}
			var in input
			got := feed(t, &in, []byte(test.sent), sizes)
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") || len(got) != len(test.want) {
				t.Errorf("%s in chunks of %v: %.100q", name, sizes, got)
			}
		}
	}
}

// TestInputCounts sees to it that discarded bytes count as taken.
func TestInputCounts(t *testing.T) {
	var in input
	feed(t, &in, []byte("one\n"+repeat("a", 3*MaxLine)+"\n"), []byte{255})
	if want := int64(4 + 3*MaxLine + 1); in.taken != want {
		t.Errorf("taken %d bytes, want %d", in.taken, want)
	}
}

func FuzzInput(f *testing.F) {
	f.Add([]byte("LOGIN ani rahasia\r\nSEND budi hai\n"), []byte{0})
	f.Add([]byte("\n\r\n\r\r\n\x00\xff\n"), []byte{2, 0, 7})
	f.Add([]byte(repeat("a", MaxLine-1)+"\n"+repeat("b", MaxLine)+"\nc\n"), []byte{255, 1})
	f.Fuzz(func(t *testing.T, data, sizes []byte) {
		var in input
		got, want := feed(t, &in, data, sizes), reference(data)
		if len(got) != len(want) {
			t.Fatalf("%d lines, want %d", len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("line %d is %.100q, want %.100q", i, got[i], want[i])
			}
		}
	})
}
