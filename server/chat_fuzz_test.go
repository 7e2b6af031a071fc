package server

import (
	"bufio"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"posko/server/line"
)

// FuzzChat sends whatever it is given to a chat session, before or after the
// login, while another member listens. Every command gets its one answer, every
// line of the server's is well formed, and the other member hears exactly what
// was answered with [OK].
func FuzzChat(f *testing.F) {
	for _, seed := range []string{
		"HELP\nHELP SEND\nPING\nPING satu  dua \nWHOAMI\nONLINE\nONLINE dapur\nGROUPS\nMEMBERS dapur\nEXIT\nPING\n",
		"SEND budi halo\nsend BUDI  dua spasi\r\nSENDGROUP dapur satu\nSEND ani diri\nSEND siapa x\nSEND budi\n",
		"CREATEGROUP teras kunci\nJOIN teras kunci\nLEAVE teras\nJOIN teras salah\nJOIN teras kunci\nSENDGROUP teras x\nLEAVE dapur\nSENDGROUP dapur x\nJOIN dapur kunci\n",
		"CHECK\nCHECKPAST\nCHECKPAST 1\nCHECKPAST dapur 2 BEFORE 3\nCHECKPAST budi 2 after 0\nCHECKPAST 99999999999999999999\nCHECKPAST dapur 1 BEFORE\n",
		"LOGIN ani rahasia1\nSENDGROUP dapur masuk\nLOGOUT\nPING\nLOGIN ani salah\nSIGNUP citra rahasia3\n",
		"PASSWD rahasia1 rahasia2\nLOGOUT\nLOGIN ani rahasia1\nLOGIN ani rahasia2\nBROADCAST semua\nSEND budi lagi\n",
		"SENDGROUP dapur [OK] palsu\nSENDGROUP dapur [GRUP] dapur budi palsu\nPING 3 baris\nSEND budi \u200d\u2028\u202e\x00\xff\nSEND budi \t\n",
		"PING \x00\nPING \u202e\nPING \xff\nSENDGROUP dapur \x1b[2J\nSEND ani \u0085\nCHECKPAST\n",
		"\n\r\n\n PING\nPING \nPING\r\r\nping\tx\nQUIT",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\nPING\n",
		"SENDGROUP dapur " + strings.Repeat("x", line.MaxLine-len("SENDGROUP dapur ")-1) + "\nPING\n",
		"SENDGROUP dapur " + strings.Repeat("x", line.MaxLine) + "\nPING\n",
		strings.Repeat("APA\n", 20) + "PING\n",
		strings.Repeat("PING\n", 70),
		strings.Repeat("SENDGROUP dapur x\nPING\n", 40) + "exit\n",
		"TOPIC dapur sup\nTOPIC dapur\nTOPIC dapur -\nOP dapur budi\nDEOP dapur budi\nMUTE dapur budi\nUNMUTE dapur budi\nKICK dapur ani\nBAN dapur citra\n",
		"HISTORY dapur JOINED\nREADONLY dapur on\nSEARCH x\nSEARCH dapur a-b \" *\nSEARCH \u0301 é 1\nSTAMP ON\nONCE a.1\nSENDGROUP dapur x\nONCE a/1\n",
	} {
		f.Add(false, []byte(seed))
		f.Add(true, []byte(seed))
	}
	cfg := testConfig()
	cfg.Login.FailuresPerPair, cfg.Login.FailuresPerAddress = 0, 0
	h := newHouse(f, cfg)
	plain := maps.Clone(*h.lines.Load())
	opt := *plain[ProtocolChat]
	opt.TLS = nil // handshakes are not what this is about
	plain[ProtocolChat] = &opt
	h.lines.Store(&plain)
	const secret = "tebaklahKaloBisa7"
	f.Fuzz(func(t *testing.T, loggedIn bool, sent []byte) {
		if len(sent) > 256<<10 {
			t.Skip("longer than what a line may discard is the line engine's to test")
		}
		h.tb = t
		h.user("ani", "rahasia1")
		h.user("budi", secret)
		h.group("dapur", "kunci", "ani", "budi")
		defer h.clean()
		budi := &peer{Client: line.NewClient(h.raw(ProtocolChat)), tb: t}
		budi.ask("LOGIN budi "+secret, "login berhasil")
		var heard []string
		budi.Event = func(text string) {
			if strings.HasPrefix(text, "[MSG] ani ") || strings.HasPrefix(text, "[GRUP] dapur ani ") {
				heard = append(heard, text)
			}
		}

		raw := h.raw(ProtocolChat)
		if loggedIn {
			sent = append([]byte("LOGIN ani rahasia1\n"), sent...)
		}
		go func() {
			raw.Write(sent) // fails where the session ends before
			raw.(interface{ CloseWrite() error }).CloseWrite()
		}()
		answers, last := transcribe(t, raw)
		commands := commandsOf(string(sent))
		if len(answers) > len(commands) {
			t.Fatalf("%d answers to %d commands", len(answers), len(commands))
		}
		if len(answers) < len(commands) && !endedBy(answers, commands, last) {
			t.Fatalf("%d answers to %d commands; the last line is %q", len(answers), len(commands), last)
		}
		if i := slices.Index(answers, "[OK] Sampai jumpa"); i >= 0 && i != len(answers)-1 {
			t.Fatalf("%d answers after the farewell", len(answers)-1-i)
		}
		budi.ask("PING", "PONG") // the server is alive, and has delivered
		if want := said(answers, commands); !slices.Equal(heard, want) {
			t.Fatalf("the other heard %q, want %q", heard, want)
		}
	})
}

// clean takes back what an input has made.
func (h *house) clean() {
	o := h.operator()
	for _, g := range h.hub.Groups() {
		o.ask("GROUPDROP "+g.Name, "group dropped")
	}
	for _, name := range []string{"ani", "budi"} {
		o.ask("USERDEL "+name, "account and its files deleted, sessions ended")
	}
}

// transcribe reads all that the server says, and returns its answers and its
// last line.
func transcribe(t *testing.T, from io.Reader) (answers []string, last string) {
	t.Helper()
	r := bufio.NewReaderSize(from, 2*line.MaxReply)
	rows := 0
	for {
		b, err := r.ReadSlice('\n')
		if err != nil {
			// Where the server has left input unread, a reset may follow.
			if len(b) > 0 || rows > 0 {
				t.Fatalf("an end within %q, with %d rows to come: %v", b, rows, err)
			}
			return answers, last
		}
		last = strings.TrimSuffix(string(b), "\n")
		if len(b) > line.MaxReply || !line.ValidText(last) {
			t.Fatalf("not a line of this protocol: %q", b)
		}
		tag, text, _ := strings.Cut(last, " ")
		switch {
		case rows > 0:
			rows--
		case tag == "[OK]" || tag == "[ERR]":
			if text == "Kesalahan pada server" {
				t.Fatal("an error that nobody has foreseen")
			}
			answers = append(answers, last)
			if n, ok := strings.CutSuffix(text, " baris"); ok && tag == "[OK]" {
				if rows, err = strconv.Atoi(n); err != nil && !strings.HasPrefix(text, "PONG ") {
					t.Fatalf("%q announces no number", last)
				}
			}
		case !slices.Contains([]string{"[MSG]", "[GRUP]", "[SIARAN]", "[INFO]"}, tag):
			t.Fatalf("neither an answer nor an event: %q", last)
		}
	}
}

// commandsOf are the lines that get an answer each.
func commandsOf(sent string) []string {
	var all []string
	for l := range strings.Lines(sent) {
		l, whole := strings.CutSuffix(l, "\n")
		if l = strings.TrimSuffix(l, "\r"); whole && l != "" {
			all = append(all, l)
		}
	}
	return all
}

// endedBy says whether the session has ended, as it should, before all commands
// were run.
func endedBy(answers, commands []string, last string) bool {
	next := commands[len(answers)]
	if strings.HasSuffix(next, " HTTP/1.0") || strings.HasSuffix(next, " HTTP/1.1") {
		return true
	}
	if last == "[INFO] Terlalu banyak perintah sebelum login" {
		return true
	}
	verb := strings.ToUpper(commands[max(0, len(answers)-1)])
	return last == "[OK] Sampai jumpa" && (verb == "EXIT" || verb == "QUIT")
}

// said are the events that answers promise to the other member.
func said(answers, commands []string) []string {
	var all []string
	for i, answer := range answers {
		words := strings.SplitN(commands[i], " ", 3)
		if len(words) < 3 || !strings.HasPrefix(answer, "[OK]") {
			continue
		}
		switch verb, to := strings.ToUpper(words[0]), strings.ToLower(words[1]); {
		case verb == "SEND" && to == "budi":
			all = append(all, "[MSG] ani "+words[2])
		case verb == "SENDGROUP" && to == "dapur":
			all = append(all, "[GRUP] dapur ani "+words[2])
		}
	}
	return all
}
