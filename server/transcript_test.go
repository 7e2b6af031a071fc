package server

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"posko/server/account"
	"posko/server/sandbox"
	"posko/tlsutil"
)

var update = flag.Bool("update", false, "rewrite what the transcripts expect; read that diff as code")

// TestTranscripts plays each file of testdata/chat and testdata/files against a
// server of its own. A file has these sections:
//
//	-- config --  TOML, over the configuration of tests
//	-- users --   NAME PASSWORD [admin] [disabled] [files=read] [files=upload]
//	-- groups --  NAME PASSWORD OWNER [MEMBER …]
//	-- invitations --  CODE USES [GROUP], the code in upper case
//	-- certificates --  CONNECTION SUBJECT [bound ACCOUNT] [revoked ACCOUNT]
//	-- script --
//
// The first word of a script's line names the connection, dialed at its first
// use; "ani@files" is one of the other protocol.
//
//	ani> TEXT    sends a line         ani>| "TEXT"  sends exactly this, as Go quotes it
//	ani< TEXT    expects a line       ani<| "TEXT"  expects exactly these bytes
//	ani!         expects the end, with a close_notify
//	ani close    closes               ani break     cuts the connection
//	# …          says why
//
// In what is expected {time} stands for a time in RFC 3339, UTC, {id} for one in
// the trash, {addr} for an address with its port, and a trailing * for the rest.
func TestTranscripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range paths {
		protocol := filepath.Base(filepath.Dir(path))
		t.Run(protocol+"/"+strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			play(t, path, protocol)
		})
	}
}

// A script is a transcript being played.
type script struct {
	*house
	protocol string
	peers    map[string]*peer
	rewrite  bool
}

var scriptLine = regexp.MustCompile(`^([a-z0-9]+)(@[a-z]+)?(>\||<\||>|<|!| close$| break$) ?(.*)$`)

func play(t *testing.T, path, protocol string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, body, ok := strings.Cut(string(text), "-- script --\n")
	if !ok {
		t.Fatal("no script")
	}
	s := &script{house: furnish(t, head), protocol: protocol, peers: map[string]*peer{}, rewrite: *update}
	first := strings.Count(head, "\n") + 2
	var played []string
	for i, l := range strings.Split(strings.TrimSuffix(body, "\n"), "\n") {
		now, err := s.step(l)
		if err != nil {
			t.Fatalf("%s:%d: %s: %v", path, first+i, l, err)
		}
		played = append(played, now)
	}
	if *update {
		now := head + "-- script --\n" + strings.Join(played, "\n") + "\n"
		if err := os.WriteFile(path, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// furnish makes the server of a transcript.
func furnish(t *testing.T, head string) *house {
	parts := sections(head)
	cfg := testConfig()
	if over := parts["config"]; len(over) > 0 {
		var err error
		if cfg, err = DecodeConfig("transcript", []byte(strings.Join(over, "\n"))); err != nil {
			t.Fatal(err)
		}
		base := testConfig()
		cfg.Accounts.HashMemory, cfg.Accounts.HashTime = base.Accounts.HashMemory, base.Accounts.HashTime
		cfg.Files.FreeReserve, cfg.Limits.ShutdownGrace = base.Files.FreeReserve, base.Limits.ShutdownGrace
	}
	h := newHouse(t, cfg)
	for _, l := range parts["users"] {
		words := strings.Fields(l)
		if len(words) < 2 {
			continue
		}
		a := h.user(words[0], words[1])
		for _, word := range words[2:] {
			var err error
			switch word {
			case "admin":
				_, err = h.accounts.SetAdmin(t.Context(), a.ID, true)
			case "disabled":
				_, err = h.accounts.SetDisabled(t.Context(), a.ID, true)
			case "files=read":
				err = h.disk.SetTerms(t.Context(), a.ID, sandbox.Terms{Access: sandbox.ReadOnly})
			case "files=upload":
				err = h.disk.SetTerms(t.Context(), a.ID, sandbox.Terms{Access: sandbox.AddOnly})
			default:
				err = errors.New("unknown word")
			}
			if err != nil {
				t.Fatalf("%s: %v", l, err)
			}
		}
	}
	for _, l := range parts["certificates"] {
		words := strings.Fields(l)
		if len(words) < 2 {
			continue
		}
		cert := h.certificate(words[1])
		h.certs[words[0]] = cert
		if len(words) == 4 {
			set := map[string]func(context.Context, int64, string) error{
				"bound": h.accounts.AddCertificate, "revoked": h.accounts.RevokeCertificate,
			}[words[2]]
			if err := set(t.Context(), h.find(words[3]).ID, tlsutil.Fingerprint(cert.Leaf)); err != nil {
				t.Fatalf("%s: %v", l, err)
			}
		}
	}
	for _, l := range parts["groups"] {
		if words := strings.Fields(l); len(words) >= 3 {
			h.group(words[0], words[1], words[2], words[3:]...)
		}
	}
	for _, l := range parts["invitations"] {
		if words := strings.Fields(l); len(words) >= 2 {
			h.invitation(words[0], words[1], words[2:]...)
		}
	}
	return h
}

// invitation makes one with a code of the test's own.
func (h *house) invitation(code, uses string, group ...string) {
	h.tb.Helper()
	n, err := strconv.Atoi(uses)
	if err != nil {
		h.tb.Fatal(err)
	}
	i := account.Invitation{Uses: n, Left: n, Created: time.Now(), Expires: time.Now().Add(time.Hour)}
	if len(group) > 0 {
		g, err := h.hub.Group(group[0])
		if err != nil {
			h.tb.Fatal(err)
		}
		i.Group = g.ID
	}
	hash := sha256.Sum256([]byte(code))
	if err := h.store.Accounts().AddInvitation(h.tb.Context(), i, hash[:]); err != nil {
		h.tb.Fatal(err)
	}
}

// step plays one line and returns it as it should stand.
func (s *script) step(l string) (string, error) {
	if l == "" || strings.HasPrefix(l, "#") {
		return l, nil
	}
	m := scriptLine.FindStringSubmatch(l)
	if m == nil {
		return "", errors.New("not a line of a script")
	}
	p := s.peer(m[1], strings.TrimPrefix(m[2], "@"))
	switch text := m[4]; m[3] {
	case ">":
		return l, p.Send(text)
	case ">|":
		raw, err := strconv.Unquote(text)
		if err == nil {
			_, err = p.Write([]byte(raw))
		}
		return l, err
	case "<":
		got, err := p.ReadLine()
		if err == nil && s.rewrite && !matches(text, got) {
			return m[1] + m[2] + "< " + got, nil
		}
		if err == nil && !matches(text, got) {
			err = fmt.Errorf("got %q", got)
		}
		return l, err
	case "<|":
		want, err := strconv.Unquote(text)
		if err != nil {
			return l, err
		}
		var got strings.Builder
		err = p.ReadData(&got, int64(len(want)))
		if got.String() != want {
			return l, fmt.Errorf("got %q, %v", got.String(), err)
		}
		return l, nil
	case "!":
		got, err := p.ReadLine()
		if err != io.EOF {
			return l, fmt.Errorf("got %q, %v instead of the end", got, err)
		}
		return l, nil
	case " close":
		return l, s.left(p, p.Close)
	default:
		return l, s.left(p, func() error { p.cut(); return nil })
	}
}

// left ends a connection and waits until the server has noticed.
func (s *script) left(p *peer, leave func() error) error {
	open := s.clients()
	if err := leave(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	eventually(p.tb, "the server notices that a client has left", func() bool { return s.clients() < open })
	return nil
}

func (s *script) peer(name, protocol string) *peer {
	if protocol == "" {
		protocol = s.protocol
	}
	p := s.peers[name+"@"+protocol]
	if p == nil {
		var cert *tls.Certificate
		if shows, ok := s.certs[name]; ok {
			cert = &shows
		}
		var err error
		if p, err = s.tryDialWith(&net.Dialer{}, protocol, cert); err != nil {
			s.tb.Fatal(err)
		}
		s.peers[name+"@"+protocol] = p
	}
	return p
}

// marks are what a line of a transcript may leave open.
var marks = strings.NewReplacer(
	regexp.QuoteMeta("{time}"), `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z`,
	regexp.QuoteMeta("{id}"), `[0-9a-z]{8}`,
	regexp.QuoteMeta("{addr}"), `127\.0\.0\.1:\d+`,
)

func matches(want, got string) bool {
	prefix, open := strings.CutSuffix(want, "*")
	if open {
		want = prefix
	}
	expr := "^" + marks.Replace(regexp.QuoteMeta(want))
	if !open {
		expr += "$"
	}
	return regexp.MustCompile(expr).MatchString(got)
}
