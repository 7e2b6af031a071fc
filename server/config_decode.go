package server

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// A complaint is one thing that is wrong with a configuration.
type complaint struct {
	file string // "" if it came from none
	line int    // 0 if the file doesn't have the key
	key  string // "" if the file isn't TOML
	text string
}

func (c complaint) Error() string {
	var where string
	if c.file != "" {
		where = c.file + ": "
	}
	if c.line > 0 {
		where = fmt.Sprintf("%s:%d: ", c.file, c.line)
	}
	if c.key != "" {
		where += c.key + ": "
	}
	return where + c.text
}

// join returns the complaints as one error, a line for each, or nil.
func join(complaints []complaint) error {
	errs := make([]error, len(complaints))
	for i, c := range complaints {
		errs[i] = c
	}
	return errors.Join(errs...)
}

// DecodeConfig decodes data, in TOML, over Defaults, resolves relative paths
// against the directory of the file name, and validates the result. Its error
// joins all complaints in the order of the file, each with the file, the line
// and the key: what is unknown, what has the wrong type, what Validate says.
// After an error the Config is the zero value.
func DecodeConfig(name string, data []byte) (Config, error) {
	c := Defaults()
	f := file{known: map[string]setting{}, lines: map[string]int{}}
	for _, s := range c.settings() {
		f.known[s.key] = s
	}
	var tables map[string]toml.Primitive
	var err error
	if f.md, err = toml.Decode(string(data), &tables); err != nil {
		return Config{}, syntax(name, err)
	}
	for name, content := range tables {
		f.table(toml.Key{name}, content)
	}
	f.complaints = append(f.complaints, c.complaints()...)
	for i := range f.complaints {
		f.complaints[i].file = name
		f.complaints[i].line = f.lines[f.complaints[i].key]
	}
	slices.SortStableFunc(f.complaints, func(a, b complaint) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.key, b.key))
	})
	if err := join(f.complaints); err != nil {
		return Config{}, err
	}
	c.resolve(filepath.Dir(name))
	return c, nil
}

// syntax words the error of a file that isn't TOML.
func syntax(name string, err error) error {
	if bad, ok := errors.AsType[toml.ParseError](err); ok {
		return complaint{file: name, line: bad.Position.Line, text: bad.Message}
	}
	return complaint{file: name, text: err.Error()}
}

// A file is a TOML file that is being decoded, setting by setting: the library
// by itself would stop at the first value of a wrong type, and would take
// "Signup" for "signup".
type file struct {
	md         toml.MetaData
	known      map[string]setting // by key; decoding sets their values
	lines      map[string]int     // of the tables and keys that the file has
	complaints []complaint
}

func (f *file) complain(key, text string) {
	f.complaints = append(f.complaints, complaint{key: key, text: text})
}

// table decodes one table, and those within it.
func (f *file) table(path toml.Key, content toml.Primitive) {
	var tables []string
	for key := range f.known {
		tables = append(tables, key[:strings.LastIndexByte(key, '.')])
	}
	key := path.String()
	f.lines[key] = f.line(content)
	if !slices.Contains(tables, key) {
		f.complain(key, "unknown table"+didYouMean(key, tables))
		return
	}
	// The library takes what isn't a table for an empty one, without an error.
	var values map[string]toml.Primitive
	var anything any
	err := errors.Join(f.md.PrimitiveDecode(content, &anything), f.md.PrimitiveDecode(content, &values))
	if _, ok := anything.(map[string]any); !ok || err != nil {
		f.complain(key, "must be a table, as in ["+key+"]")
		return
	}
	for name, v := range values {
		inner := append(slices.Clone(path), name)
		if slices.Contains(tables, inner.String()) {
			f.table(inner, v)
		} else {
			f.setting(inner.String(), v)
		}
	}
}

// setting decodes one value into its field.
func (f *file) setting(key string, value toml.Primitive) {
	f.lines[key] = f.line(value)
	s, ok := f.known[key]
	if !ok {
		var keys []string
		for k := range f.known {
			keys = append(keys, k)
		}
		f.complain(key, "unknown setting"+didYouMean(key, keys))
		return
	}
	// What fails may have been written in part, so it is written elsewhere.
	fresh := reflect.New(s.value.Type())
	if err := f.md.PrimitiveDecode(value, fresh.Interface()); err != nil {
		f.complain(key, expected(fresh.Interface()))
		return
	}
	s.value.Set(fresh.Elem())
}

// expected says what a value must look like to be decoded into one of this
// type.
func expected(pointer any) string {
	switch pointer.(type) {
	case *bool:
		return "must be true or false"
	case *int:
		return "must be a whole number"
	case *string:
		return "must be a string in quotes"
	case *[]string:
		return `must be a list of strings, as in ["a", "b"]`
	case *Paths:
		return errPaths.Error()
	case *slog.Level:
		return `must be "debug", "info", "warn" or "error"`
	case *Duration:
		return errDuration.Error()
	default:
		return errSize.Error()
	}
}

// line returns the line of a value in the file, which the library tells only to
// an Unmarshaler that fails. It is 0 for a table without a header of its own.
func (f *file) line(value toml.Primitive) int {
	err := f.md.PrimitiveDecode(value, &failing{})
	bad, _ := errors.AsType[toml.ParseError](err)
	return bad.Position.Line
}

type failing struct{}

func (*failing) UnmarshalTOML(any) error { return errors.New("always") }

// didYouMean names the known word that is nearest to key, if one is near: at
// most two letters off, or of the same name in another table.
func didYouMean(key string, known []string) string {
	slices.Sort(known)
	best, least := "", 3
	for _, k := range known {
		n := distance(key, k)
		if name := k[strings.LastIndexByte(k, '.')+1:]; name != k && strings.HasSuffix(key, "."+name) {
			n = min(n, 2)
		}
		if n < least {
			best, least = k, n
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance returns how many bytes must be added, removed or replaced to make b
// of a (the Levenshtein distance).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(above+1, row[j]+1, diagonal+cost)
			diagonal = above
		}
	}
	return row[len(b)]
}
