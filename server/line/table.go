package line

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// State says when a command is served.
type State int

// The zero State is the safe one.
const (
	LoggedIn  State = iota // after login only
	LoggedOut              // before login only
	Anytime
)

// A Command is one row of a dialect's table: one section of the protocol.
//
// Its Args are usage and arity together. Words are separated by one space; from
// an opening bracket on, all that follow may be left out, as in "[NAME [COUNT
// [BEFORE|AFTER NUMBER]]]" where NUMBER belongs to its choice; a last one that
// ends in "..." takes the rest of the line, untouched and not empty; one with
// "|" in it is a choice of literal words, in any letter case. The other words
// are checked by the table's check of that name, if it has one.
type Command[S any] struct {
	Name    string
	Aliases []string
	Args    string
	Help    string // one sentence for people
	Done    Reply  // what a success says, unless the Call says something else
	Says    string // for the manual where Done is empty: what a success says
	// Malformed is said of arguments of the wrong form, and of a line with
	// this verb that is not valid; the dialect's phrase if it is empty.
	Malformed Refusal
	Refuses   Refusals
	Needs     State
	Secret    bool // its arguments hold a password
	Final     bool // the connection is closed after a success
	// Upload marks a row that receives data. Where it is refused before the
	// Call has asked for the data, the connection is closed, since the data
	// may be on the way already and must never be read as commands.
	Upload bool
	// Async marks a row whose Run may leave the answer to Call.Later. Several
	// of them may be under way on one connection, and their answers must be
	// given in their order; every other row waits for them.
	Async bool
	// Prompt marks a row whose Run waits for nothing, but for a lock that is held
	// shortly. Many connections are served by one goroutine then.
	Prompt bool
	// Pace, which may be nil, is asked once how long the command has to wait
	// until Run. What follows on the connection waits with it, and nothing is
	// read. It runs on the connection's goroutine; none is there meanwhile.
	Pace func(s S, c *Call) time.Duration
	// Refused, which may be nil, is told of every refusal of this row, by Run or
	// before it came to that. It runs on the connection's goroutine.
	Refused func(s S)
	// Run does the work. It runs on the connection's goroutine; its error is
	// worded by Refuses, or is a Refusal itself, or else is logged and answered
	// with the phrase Internal.
	Run func(s S, ctx context.Context, c *Call) error

	args []arg
}

// An arg is one word of Args.
type arg struct {
	name    string
	choices []string
	check   func(string) bool
	rest    bool
	opens   bool // an opening bracket stands before it
}

// A Table holds the commands of a dialect in the order in which HELP lists
// them. HELP itself belongs to the table.
type Table[S any] struct {
	rows   []*Command[S]
	byVerb map[string]*Command[S]
	words  Phrases
}

// NewTable checks the rows and adds HELP. Checks say by the name of an argument
// which words are of the right form. It panics on a row that can't be meant: a
// verb that stands twice, no help, no Run, a malformed Args, an Async row that
// is Final or an Upload.
func NewTable[S any](words Phrases, checks map[string]func(string) bool, rows ...Command[S]) *Table[S] {
	t := &Table[S]{byVerb: map[string]*Command[S]{}, words: words}
	rows = append(rows, Command[S]{
		Name: "HELP", Args: "[VERB]", Says: "N rows", Needs: Anytime,
		Help:    "list the commands, or show one of them",
		Refuses: Refusals{{errNoCommand, words.Unknown}},
		Run:     t.help,
	})
	for _, row := range rows {
		if row.Help == "" || row.Run == nil {
			panic("line: row " + row.Name + " has no help or does nothing")
		}
		if row.Async && (row.Final || row.Upload) {
			panic("line: row " + row.Name + " can't leave its answer to later")
		}
		if row.Malformed == "" {
			row.Malformed = words.Malformed
		}
		row.parseArgs(checks)
		t.rows = append(t.rows, &row)
		for _, verb := range append([]string{row.Name}, row.Aliases...) {
			if verb == "" || verb != upper(verb) || t.byVerb[verb] != nil {
				panic(fmt.Sprintf("line: verb %q is empty, not upper-case, or stands twice", verb))
			}
			t.byVerb[verb] = &row
		}
	}
	return t
}

func (row *Command[S]) parseArgs(checks map[string]func(string) bool) {
	if row.Args == "" {
		return
	}
	words := strings.Split(row.Args, " ")
	for i, word := range words {
		last := i == len(words)-1
		name, opens := strings.CutPrefix(word, "[")
		closed := true
		if last { // all brackets close at the end
			name, closed = strings.CutSuffix(name, strings.Repeat("]", strings.Count(row.Args, "[")))
		}
		name, rest := strings.CutSuffix(name, "...")
		if name == "" || strings.ContainsAny(name, "[].") || !closed || rest && !last {
			panic(fmt.Sprintf("line: row %s has malformed arguments: %q", row.Name, row.Args))
		}
		a := arg{name: name, rest: rest, opens: opens, check: checks[name]}
		if strings.Contains(name, "|") {
			a.choices = strings.Split(upper(name), "|")
		}
		row.args = append(row.args, a)
	}
}

// find returns the row of a line's verb and what follows its space.
func (t *Table[S]) find(line string) (row *Command[S], rest string, hasRest bool) {
	verb, rest, hasRest := strings.Cut(line, " ")
	return t.byVerb[upper(verb)], rest, hasRest
}

// parse splits what follows the verb into the arguments of the row, which it
// appends to args. ok is false if they are of the wrong form.
func (row *Command[S]) parse(args []string, rest string, hasRest bool) (_ []string, ok bool) {
	for i := 0; hasRest; i++ {
		if i == len(row.args) {
			return nil, false
		}
		a, word := row.args[i], rest
		if a.rest {
			hasRest = false
		} else {
			word, rest, hasRest = strings.Cut(rest, " ")
		}
		if len(a.choices) > 0 {
			word = upper(word)
		}
		if !a.takes(word) {
			return nil, false
		}
		args = append(args, word)
	}
	return args, len(args) == len(row.args) || row.args[len(args)].opens
}

// upper makes ASCII letters upper-case. Those of Unicode that have an ASCII one
// for their upper case are no other way to write a verb.
func upper(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}

func (a arg) takes(word string) bool {
	if word == "" {
		return false
	}
	for _, choice := range a.choices {
		if word == choice {
			return true
		}
	}
	return len(a.choices) == 0 && (a.check == nil || a.check(word))
}

// usage is what HELP shows of a row.
func (row *Command[S]) usage() string {
	usage := row.Name
	if row.Args != "" {
		usage += " " + row.Args
	}
	usage += " - " + row.Help
	if len(row.Aliases) > 0 {
		usage += " (also " + strings.Join(row.Aliases, ", ") + ")"
	}
	return usage
}

const errNoCommand = Refusal("no such command")

func (t *Table[S]) help(_ S, _ context.Context, c *Call) error {
	if verb := c.Arg(0); verb != "" {
		row := t.byVerb[upper(verb)]
		if row == nil {
			return errNoCommand
		}
		c.Lines([]string{row.usage()})
		return nil
	}
	lines := make([]string, len(t.rows))
	for i, row := range t.rows {
		lines[i] = row.usage()
	}
	c.Lines(lines)
	return nil
}

// A Section is what the manual says of one command.
type Section struct {
	Name     string
	Aliases  []string
	Args     string
	Help     string
	Success  string   // the text after "[OK] ", or a description of it
	Refusals []string // the texts after "[ERR] ", in the order of the checks
}

// Sections lists the commands for the manual, in the table's order.
func (t *Table[S]) Sections() []Section {
	var all []Section
	for _, row := range t.rows {
		s := Section{Name: row.Name, Aliases: row.Aliases, Args: row.Args, Help: row.Help, Success: string(row.Done)}
		if row.Says != "" {
			s.Success = row.Says
		}
		if row.Args != "" {
			s.Refusals = append(s.Refusals, string(row.Malformed))
		}
		switch row.Needs {
		case LoggedIn:
			s.Refusals = append(s.Refusals, string(t.words.NotLoggedIn))
		case LoggedOut:
			s.Refusals = append(s.Refusals, string(t.words.LoggedIn))
		}
		for _, r := range row.Refuses {
			s.Refusals = append(s.Refusals, string(r.Say))
		}
		all = append(all, s)
	}
	return all
}
