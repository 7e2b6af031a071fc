package server

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"posko"
	"posko/server/admin"
	"posko/server/chat"
	"posko/server/files"
	"posko/server/line"
)

//go:generate go test -count=1 -run ^TestDocs$ . -update

// TestDocs holds the generated parts of the documentation to what they are made
// from, and with -update writes them. A part stands between two comments,
// "BEGIN name" and "END name", each on a line of its own.
func TestDocs(t *testing.T) {
	commands := map[string][]line.Section{
		"chat":  chat.New(chat.Options{}).Sections(),
		"files": files.New(files.Options{}).Sections(),
	}
	h := newHouse(t, testConfig())
	h.describe = func(st *admin.Status) { st.Certificates = []admin.Certificate{{Names: []string{"chat.example"}}} }
	measured := describeMetrics(t, h.metrics)
	for _, doc := range []struct {
		path, part, text string
	}{
		{"../packaging/man/posko-protocol.7", "chat", manualCommands(commands["chat"])},
		{"../packaging/man/posko-protocol.7", "files", manualCommands(commands["files"])},
		{"../packaging/man/posko.toml.5", "settings", manualSettings(posko.Config)},
		{"../packaging/man/posko.toml.5", "metrics", manualMetrics(measured)},
		{"../README.md", "metrics", markdownMetrics(measured)},
		{"../README.md", "chat", markdownCommands(commands["chat"])},
		{"../README.md", "files", markdownCommands(commands["files"])},
	} {
		old, err := os.ReadFile(doc.path)
		if err != nil {
			t.Fatal(err)
		}
		place := regexp.MustCompile(`(?ms)^[^\n]*BEGIN ` + doc.part + `\b[^\n]*\n(.*?)^[^\n]*END ` + doc.part + `\b`)
		at := place.FindSubmatchIndex(old)
		if at == nil {
			t.Errorf("%s has no place for %s", doc.path, doc.part)
			continue
		}
		text := string(old[:at[2]]) + doc.text + string(old[at[3]:])
		switch {
		case text == string(old):
		case !*update:
			t.Errorf("%s: %s is not current; run go generate ./server", doc.path, doc.part)
		default:
			if err := os.WriteFile(doc.path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// dataReply turns what a row says of a reply with data into how that begins.
var dataReply = strings.NewReplacer("N rows", "N baris", "N bytes", "N byte")

// refusals are those that have words.
func refusals(s line.Section) []string {
	texts := slices.DeleteFunc(slices.Clone(s.Refusals), func(text string) bool { return text == string(line.NoAnswer) })
	return slices.Compact(texts)
}

func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }

// roff keeps text from meaning anything to roff within a line.
var roff = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "`", "\\(ga", `^`, `\(ha`, `~`, `\(ti`, `"`, `\(dq`)

// A page is a part of a manual page in the macros of man(7).
type page struct{ strings.Builder }

func (p *page) macro(text string) { p.WriteString(text + "\n") }

// text writes a line of text, which must not begin like a macro.
func (p *page) text(text string) {
	if strings.HasPrefix(text, ".") {
		p.WriteString(`\&`)
	}
	p.WriteString(roff.Replace(text) + "\n")
}

// argument finds what stands in the usage of a command for something else, and
// the choices, which stand for themselves.
var argument = regexp.MustCompile(`[A-Z|]+`)

func manualCommands(commands []line.Section) string {
	var p page
	for _, s := range commands {
		p.macro(".TP")
		args := argument.ReplaceAllStringFunc(s.Args, func(word string) string {
			if strings.Contains(word, "|") {
				return `\fB` + word + `\fR`
			}
			return `\fI` + word + `\fR`
		})
		p.macro(strings.TrimSpace(`\fB` + s.Name + `\fR ` + args))
		p.text(sentence(s.Help))
		if len(s.Aliases) > 0 {
			p.text("Another name: " + strings.Join(s.Aliases, ", ") + ".")
		}
		p.macro(".nf")
		p.text("[OK] " + dataReply.Replace(s.Success))
		for _, text := range refusals(s) {
			p.text("[ERR] " + text)
		}
		p.macro(".fi")
	}
	return p.String()
}

func markdownCommands(commands []line.Section) string {
	var b strings.Builder
	code := func(text string) string { return "`" + strings.ReplaceAll(text, "|", `\|`) + "`" }
	b.WriteString("| Command | | `[OK]` | `[ERR]`, in the order of the checks |\n|---|---|---|---|\n")
	for _, s := range commands {
		names := []string{code(strings.TrimSpace(s.Name + " " + s.Args))}
		for _, alias := range s.Aliases {
			names = append(names, code(alias))
		}
		var texts []string
		for _, text := range refusals(s) {
			texts = append(texts, code(text))
		}
		b.WriteString("| " + strings.Join([]string{
			strings.Join(names, ", "), sentence(s.Help), code(dataReply.Replace(s.Success)), strings.Join(texts, " · "),
		}, " | ") + " |\n")
	}
	return b.String()
}

// manualSettings turns a commented configuration into a list of its settings.
// Its first comment, about the file as a whole, is followed by an empty line.
func manualSettings(config string) string {
	var p page
	var about []string
	paragraph := func() {
		for _, text := range about {
			p.text(text)
		}
		about = nil
	}
	for text := range strings.Lines(config) {
		text = strings.TrimSuffix(text, "\n")
		switch {
		case text == "#":
			paragraph()
			p.macro(".PP")
		case text == "":
			paragraph()
		case strings.HasPrefix(text, "# "):
			about = append(about, text[2:])
		case strings.HasPrefix(text, "["):
			p.macro(".SS " + text)
			paragraph()
		default:
			key, value, _ := strings.Cut(text, " = ")
			p.macro(".TP")
			p.macro(`\fB` + roff.Replace(key) + `\fR = ` + roff.Replace(value))
			paragraph()
		}
	}
	return p.String()
}

// A metricSection is what the manual says of one metric.
type metricSection struct {
	name, kind, help string
	labels           [][]string // each with its values, if they are few, behind its name
}

// describeMetrics lists posko's own metrics with the labels that they have.
func describeMetrics(t *testing.T, m *metrics) []metricSection {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []metricSection
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "posko_") {
			continue
		}
		s := metricSection{name: family.GetName(), kind: strings.ToLower(family.GetType().String()), help: family.GetHelp()}
		for i, pair := range family.GetMetric()[0].GetLabel() {
			label := []string{pair.GetName()}
			// There is a verb for each command, a version for each release, and a
			// name for each of the certificates'.
			if !slices.Contains([]string{"verb", "version", "name"}, label[0]) {
				for _, metric := range family.GetMetric() {
					label = append(label, metric.GetLabel()[i].GetValue())
				}
				slices.Sort(label[1:])
				label = slices.Compact(label)
			}
			s.labels = append(s.labels, label)
		}
		all = append(all, s)
	}
	return all
}

func manualMetrics(all []metricSection) string {
	var p page
	for _, s := range all {
		p.macro(".TP")
		p.macro(`\fB` + roff.Replace(s.name) + `\fR (` + s.kind + `)`)
		p.text(s.help)
		for _, label := range s.labels {
			p.macro(".br")
			text := label[0]
			if len(label) > 1 {
				text += ": " + strings.Join(label[1:], ", ")
			}
			p.text(text)
		}
	}
	return p.String()
}

func markdownMetrics(all []metricSection) string {
	var b strings.Builder
	b.WriteString("| Metric | Kind | Labels | |\n|---|---|---|---|\n")
	for _, s := range all {
		var labels []string
		for _, label := range s.labels {
			text := "`" + label[0] + "`"
			if len(label) > 1 {
				text += " (" + strings.Join(label[1:], ", ") + ")"
			}
			labels = append(labels, text)
		}
		b.WriteString("| `" + s.name + "` | " + s.kind + " | " + strings.Join(labels, ", ") + " | " + s.help + " |\n")
	}
	return b.String()
}
