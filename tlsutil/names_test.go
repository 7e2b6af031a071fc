package tlsutil

import (
	"slices"
	"strings"
	"testing"
)

func TestParseNames(t *testing.T) {
	long := strings.Repeat("a", 63)
	got, err := ParseNames([]string{
		"Pos.Example.ORG.", "pos.example.org", "*.example.org", "pos_1", "xn--p-0ga.example", "1a", long,
		"192.0.2.7", "2001:DB8:0::7", "::ffff:192.0.2.7",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"pos.example.org", "*.example.org", "pos_1", "xn--p-0ga.example", "1a", long, "192.0.2.7", "2001:db8::7"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	bad := []string{
		"", ".", "*", "*.", "a..b", ".a", "a b", "a\n", "pös.example", "pos:7700", "[::1]", "a.*.b", "-a", "a-.b",
		"192.0.2", "192.0.2.256", "fe80::1%eth0", "192.0.2.0/24", long + "a", strings.Repeat("a.", 126) + "aa",
	}
	for _, name := range bad {
		if got, err := ParseNames([]string{name}); err == nil {
			t.Errorf("%q was taken as %q", name, got)
		}
	}
	_, err = ParseNames(append(bad, "good.example"))
	if n := len(strings.Split(err.Error(), "\n")); n != len(bad) {
		t.Errorf("%d complaints, want %d:\n%v", n, len(bad), err)
	}
}

func TestWithLocal(t *testing.T) {
	for _, c := range []struct {
		names    []string
		hostname string
		want     string
	}{
		{nil, "Box", "box localhost 127.0.0.1 ::1"},
		{nil, "", "localhost 127.0.0.1 ::1"},
		{nil, "no host name", "localhost 127.0.0.1 ::1"},
		{[]string{"::1", "a.example"}, "a.example", "::1 a.example localhost 127.0.0.1"},
	} {
		if got := strings.Join(withLocal(c.names, c.hostname), " "); got != c.want {
			t.Errorf("%q on %q: got %q, want %q", c.names, c.hostname, got, c.want)
		}
	}
}
