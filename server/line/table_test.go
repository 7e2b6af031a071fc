package line

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func nothing(int, context.Context, *Call) error { return nil }

func TestParse(t *testing.T) {
	even := func(s string) bool { return len(s)%2 == 0 }
	for _, test := range []struct {
		args string
		line string
		want string // joined by "/"; "-" if it is refused
	}{
		{"", "V", ""},
		{"", "V ", "-"},
		{"", "V a", "-"},
		{"A", "V", "-"},
		{"A", "V ", "-"},
		{"A", "V a", "a"},
		{"A", "V a ", "-"},
		{"A", "V  a", "-"},
		{"A", "V a b", "-"},
		{"A", "V\ta", "-"},
		{"A B", "V a b", "a/b"},
		{"A B", "V a  b", "-"},
		{"A B", "V a", "-"},
		{"A B", "V a ", "-"},
		{"A TEXT...", "V a b c", "a/b c"},
		{"A TEXT...", "V a  b  c ", "a/ b  c "},
		{"A TEXT...", "V  a b", "-"},
		{"A TEXT...", "V a", "-"},
		{"A TEXT...", "V a ", "-"},
		{"[TEXT...]", "V", ""},
		{"[TEXT...]", "V ", "-"},
		{"[TEXT...]", "V a b", "a b"},
		{"[A]", "V", ""},
		{"[A]", "V a", "a"},
		{"[A]", "V a b", "-"},
		{"A [B]", "V", "-"},
		{"A [B]", "V a", "a"},
		{"A [B]", "V a b", "a/b"},
		{"A [B C]", "V a b", "-"},
		{"A [B C]", "V a b c", "a/b/c"},
		{"ON|OFF", "V", "-"},
		{"ON|OFF", "V on", "ON"},
		{"ON|OFF", "V oN", "ON"},
		{"ON|OFF", "V of", "-"},
		{"ON|OFF", "V ON|OFF", "-"},
		{"on|off", "V off", "OFF"},
		{"EVEN", "V ab", "ab"},
		{"EVEN", "V abc", "-"},
		{"[NAME [COUNT [BEFORE|AFTER NUMBER]]]", "V", ""},
		{"[NAME [COUNT [BEFORE|AFTER NUMBER]]]", "V a", "a"},
		{"[NAME [COUNT [BEFORE|AFTER NUMBER]]]", "V a 5", "a/5"},
		{"[NAME [COUNT [BEFORE|AFTER NUMBER]]]", "V a 5 after", "-"},
		{"[NAME [COUNT [BEFORE|AFTER NUMBER]]]", "V a 5 after 6", "a/5/AFTER/6"},
		{"[NAME [COUNT [BEFORE|AFTER NUMBER]]]", "V a 5 Before 6", "a/5/BEFORE/6"},
		{"[NAME [COUNT [BEFORE|AFTER NUMBER]]]", "V a 5 with 6", "-"},
		{"[NAME [COUNT [BEFORE|AFTER NUMBER]]]", "V a 5 after 6 7", "-"},
		{"[NAME [COUNT [BEFORE|AFTER NUMBER]]]", "V a 5  after 6", "-"},
	} {
		table := NewTable(words, map[string]func(string) bool{"EVEN": even},
			Command[int]{Name: "V", Args: test.args, Help: "help", Run: nothing})
		got := "-"
		if row, rest, hasRest := table.find(test.line); row != nil {
			if args, ok := row.parse(nil, rest, hasRest); ok {
				got = strings.Join(args, "/")
			}
		}
		if got != test.want {
			t.Errorf("%q takes %q as %q, want %q", test.args, test.line, got, test.want)
		}
	}
}

func TestFind(t *testing.T) {
	table := NewTable(words, nil,
		Command[int]{Name: "KICK", Aliases: []string{"KI"}, Help: "help", Run: nothing},
		Command[int]{Name: "SEND", Help: "help", Run: nothing})
	for line, want := range map[string]string{
		"KICK": "KICK", "kick a": "KICK", "KicK  a": "KICK", "ki": "KICK",
		"": "", " KICK": "", "KICK\ta": "", "KICKS": "", "KIC": "",
		"k\u0131ck": "", "\u017fend": "", "help": "HELP",
	} {
		got := ""
		if row, _, _ := table.find(line); row != nil {
			got = row.Name
		}
		if got != want {
			t.Errorf("%q is %q, want %q", line, got, want)
		}
	}
}

func TestNewTablePanics(t *testing.T) {
	good := Command[int]{Name: "GOOD", Aliases: []string{"FINE"}, Args: "A [B|C]", Help: "help", Run: nothing}
	change := func(do func(row *Command[int])) []Command[int] {
		row := Command[int]{Name: "ROW", Help: "help", Run: nothing}
		do(&row)
		return []Command[int]{good, row}
	}
	NewTable(words, nil, change(func(*Command[int]) {})...)
	for name, rows := range map[string][]Command[int]{
		"no name":          change(func(r *Command[int]) { r.Name = "" }),
		"lower case":       change(func(r *Command[int]) { r.Name = "row" }),
		"no help":          change(func(r *Command[int]) { r.Help = "" }),
		"no run":           change(func(r *Command[int]) { r.Run = nil }),
		"twice":            change(func(r *Command[int]) { r.Name = "GOOD" }),
		"alias twice":      change(func(r *Command[int]) { r.Aliases = []string{"FINE"} }),
		"its own alias":    change(func(r *Command[int]) { r.Aliases = []string{"ROW"} }),
		"help twice":       change(func(r *Command[int]) { r.Name = "HELP" }),
		"rest in between":  change(func(r *Command[int]) { r.Args = "A... B" }),
		"not closed":       change(func(r *Command[int]) { r.Args = "A [B" }),
		"closed early":     change(func(r *Command[int]) { r.Args = "[A] B" }),
		"closed too often": change(func(r *Command[int]) { r.Args = "[A]]" }),
		"nothing inside":   change(func(r *Command[int]) { r.Args = "[]" }),
		"double space":     change(func(r *Command[int]) { r.Args = "A  B" }),
		"dots":             change(func(r *Command[int]) { r.Args = "A...." }),
		"final later":      change(func(r *Command[int]) { r.Async, r.Final = true, true }),
		"upload later":     change(func(r *Command[int]) { r.Async, r.Upload = true, true }),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			NewTable(words, nil, rows...)
		}()
	}
}

func TestHelp(t *testing.T) {
	h := newHouse()
	u, _ := h.dial(t, h.listen(t, Options{}))
	a, err := u.Do("help")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(h.dialect.Table.rows); len(a.Rows) != n || a.Rows[0] != "LOGIN NAME - help of LOGIN" ||
		a.Rows[n-1] != "HELP [VERB] - list the commands, or show one of them" {
		t.Errorf("HELP lists %q", a.Rows)
	}
	u.do("HELP quit", "[OK] 1 baris")
	u.hear("EXIT - help of EXIT (also QUIT)")
	u.do("HELP NONE", "[ERR] unknown", "HELP HELP HELP", "[ERR] malformed", "HELP ", "[ERR] malformed")
}

func TestSections(t *testing.T) {
	table := NewTable(words, nil,
		Command[int]{Name: "IN", Args: "NAME", Done: "welcome", Help: "come in", Needs: LoggedOut, Run: nothing,
			Refuses: Refusals{{errCore, "no such thing"}}},
		Command[int]{Name: "LIST", Aliases: []string{"LS"}, Says: "N rows", Help: "list", Malformed: "bad", Run: nothing})
	got := table.Sections()
	want := []Section{
		{Name: "IN", Args: "NAME", Help: "come in", Success: "welcome", Refusals: []string{"malformed", "logged in already", "no such thing"}},
		{Name: "LIST", Aliases: []string{"LS"}, Help: "list", Success: "N rows", Refusals: []string{"not logged in"}},
		{Name: "HELP", Args: "[VERB]", Help: "list the commands, or show one of them", Success: "N rows", Refusals: []string{"malformed", "unknown"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
