package server

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"posko/server/chat"
	"posko/server/files"
	"posko/server/line"
)

// seedVerbs are the commands behind the seed's headings of the chat.
var seedVerbs = map[string]string{
	"LOGIN":            "LOGIN",
	"PRIVATE MESSAGE":  "SEND",
	"JOIN GRUP":        "JOIN",
	"KELUAR DARI GRUP": "LEAVE",
}

var (
	seedHeading = regexp.MustCompile(`(?m)^([A-Z ]+)\n=+$`)
	seedReply   = regexp.MustCompile(`\[(OK|ERR)\] ([^\n]*[^\s])`)
	seedFile    = regexp.MustCompile(`(?m)^([A-Z]+)[ \t]+(?:\[\w+\]\s*)?->`)
)

// TestSeed demands each reply of the original document of the right command,
// both in its row and in a transcript.
func TestSeed(t *testing.T) {
	text, err := os.ReadFile("testdata/seed-protocol.txt")
	if err != nil {
		t.Fatal(err)
	}
	chatText, filesText, _ := strings.Cut(string(text), "[PROTOKOL FTP SERVER]")
	rows := sectionsByName(chat.New(chat.Options{}).Sections())
	answers := played(t, "testdata/chat/*.txt")
	heads := seedHeading.FindAllStringSubmatchIndex(chatText, -1)
	replies := 0
	for i, head := range heads {
		end := len(chatText)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		verb := seedVerbs[chatText[head[2]:head[3]]]
		row, ok := rows[verb]
		if !ok {
			t.Fatalf("no row for %q", chatText[head[2]:head[3]])
		}
		for _, m := range seedReply.FindAllStringSubmatch(chatText[head[1]:end], -1) {
			replies++
			if m[1] == "OK" && row.Success != m[2] || m[1] == "ERR" && !slices.Contains(row.Refusals, m[2]) {
				t.Errorf("%s: the row doesn't say %q", verb, m[0])
			}
			if !slices.Contains(answers[verb], m[0]) {
				t.Errorf("%s: no transcript shows %q", verb, m[0])
			}
		}
	}
	if replies != 16 {
		t.Errorf("the seed has %d replies of the chat, not 16", replies)
	}

	rows = sectionsByName(files.New(files.Options{}).Sections())
	verbs := seedFile.FindAllStringSubmatch(filesText, -1)
	if len(verbs) != 8 {
		t.Errorf("the seed has %d commands for files, not 8", len(verbs))
	}
	answers = played(t, "testdata/files/*.txt")
	for _, m := range verbs {
		if _, ok := rows[m[1]]; !ok {
			t.Errorf("%s: no row", m[1])
		}
		ok := slices.ContainsFunc(answers[m[1]], func(a string) bool { return strings.HasPrefix(a, "[OK] ") })
		if !ok {
			t.Errorf("%s: no transcript shows a success", m[1])
		}
	}
}

// TestEveryAnswer demands every reply text of every row in a transcript.
func TestEveryAnswer(t *testing.T) {
	for protocol, all := range map[string][]line.Section{
		"chat":  chat.New(chat.Options{}).Sections(),
		"files": files.New(files.Options{}).Sections(),
	} {
		answers := played(t, "testdata/"+protocol+"/*.txt")
		for _, row := range all {
			if !slices.ContainsFunc(answers[row.Name], func(a string) bool { return strings.HasPrefix(a, "[OK] ") }) {
				t.Errorf("%s %s: no transcript shows a success", protocol, row.Name)
			}
			for _, text := range row.Refusals {
				if !unplayable[text] && !unplayable[protocol+" "+row.Name+": "+text] && !slices.Contains(answers[row.Name], "[ERR] "+text) {
					t.Errorf("%s %s: no transcript shows %q", protocol, row.Name, text)
				}
			}
		}
	}
}

// unplayable are the refusals that no transcript can bring about; the tests of
// the rooms do.
var unplayable = map[string]bool{
	"":                        true, // line.NoAnswer
	"Ruang penyimpanan penuh": true,
	"files PUT: Sudah ada":    true, // something that was put there by hand
}

func sectionsByName(all []line.Section) map[string]line.Section {
	byName := map[string]line.Section{}
	for _, s := range all {
		byName[s.Name] = s
	}
	return byName
}

// played returns the answers that the transcripts show right behind a command,
// by its verb.
func played(t *testing.T, pattern string) map[string][]string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string][]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		asked := map[string]string{} // the last command of each connection
		for l := range strings.Lines(string(text)) {
			m := scriptLine.FindStringSubmatch(strings.TrimSuffix(l, "\n"))
			if m == nil {
				continue
			}
			switch who := m[1] + m[2]; m[3] {
			case ">", ">|":
				verb, _, _ := strings.Cut(strings.TrimPrefix(m[4], `"`), " ")
				verb, _, _ = strings.Cut(strings.TrimSuffix(verb, `"`), `\`)
				asked[who] = strings.ToUpper(verb)
			case "<":
				if strings.HasPrefix(m[4], "[OK]") || strings.HasPrefix(m[4], "[ERR]") {
					answers[asked[who]] = append(answers[asked[who]], m[4])
					delete(asked, who)
				}
			}
		}
	}
	return answers
}
