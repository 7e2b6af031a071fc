package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A terminal is where a command line runs that serve has printed.
type terminal struct {
	t  *testing.T
	in io.WriteCloser
	r  *bufio.Reader
}

// terminal runs a command line in a shell.
func (h *house) terminal(command string) *terminal {
	h.t.Helper()
	cmd := exec.CommandContext(h.t.Context(), "sh", "-c", "exec "+command)
	in := must(cmd.StdinPipe())(h.t)
	out := must(cmd.StdoutPipe())(h.t)
	errs := newWatched(h.t)
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	// Ends the reads of a test whose answer never comes.
	timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	h.t.Cleanup(func() {
		timer.Stop()
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
		if h.t.Failed() {
			h.t.Logf("%s:\n%s", command, errs)
		}
	})
	return &terminal{h.t, in, bufio.NewReader(out)}
}

// says types a line and expects one.
func (x *terminal) says(line, want string) {
	x.t.Helper()
	if _, err := io.WriteString(x.in, line+"\n"); err != nil {
		x.t.Fatal(err)
	}
	x.shows(want)
}

func (x *terminal) shows(want string) {
	x.t.Helper()
	got, err := x.r.ReadString('\n')
	if err != nil || got != want+"\n" {
		x.t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

// printed returns the two command lines that serve has printed.
func (h *house) printed() (lines []string) {
	h.t.Helper()
	h.out.await(`(?s:(HELP\n\n.*){2})`)
	for _, m := range regexp.MustCompile(`(?m)^  (openssl s_client .*)$`).FindAllStringSubmatch(h.out.String(), -1) {
		lines = append(lines, m[1])
	}
	if len(lines) != 2 {
		h.t.Fatalf("not two command lines in\n%s", h.out)
	}
	return lines
}

// TestOpenSSL does what a newcomer does: start the server, and type what it
// says.
func TestOpenSSL(t *testing.T) {
	h := newHouse(t, "signup = true\n")
	h.serve()
	lines := h.printed()
	for _, first := range []string{"SIGNUP ani rahasia12", "LOGIN ani rahasia12", "USER ani", "PASS rahasia12", "HELP"} {
		if !strings.Contains(h.out.String(), "\n  "+first+"\n") {
			t.Errorf("no %q in\n%s", first, h.out)
		}
	}
	chat, files := lines[0], lines[1]

	ani, budi := h.terminal(chat), h.terminal(chat)
	ani.says("SIGNUP ani rahasia12", "[OK] sign up berhasil")
	ani.says("LOGIN ani rahasia12", "[OK] login berhasil")
	budi.says("signup budi rahasia12", "[OK] sign up berhasil")
	budi.says("login budi rahasia12", "[OK] login berhasil")
	ani.says("SEND budi Kita mulai pukul tujuh", "[OK] pesan terkirim")
	budi.shows("[MSG] ani Kita mulai pukul tujuh")
	ani.says("EXIT", "[OK] Sampai jumpa")

	content := make([]byte, 300_001)
	rand.Read(content)
	content = append(content, "\nDEL it\nQ\nR\n"...)
	up := h.terminal(files)
	up.says("USER ani", "[OK] Masukkan password")
	up.says("PASS rahasia12", "[OK] login berhasil")
	up.says("ALLO "+strconv.Itoa(len(content)), "[OK] "+strconv.Itoa(len(content)))
	up.says("PUT it", "[OK] Silakan kirim")
	must(up.in.Write(content))(t)
	up.shows("[OK] Berkas tersimpan")
	down := h.terminal(files)
	down.says("USER ani", "[OK] Masukkan password")
	down.says("PASS rahasia12", "[OK] login berhasil")
	down.says("GET it", fmt.Sprintf("[OK] %d byte", len(content)))
	sum := sha256.New()
	if _, err := io.CopyN(sum, down.r, int64(len(content))); err != nil {
		t.Fatal(err)
	}
	if want := sha256.Sum256(content); !bytes.Equal(sum.Sum(nil), want[:]) {
		t.Error("what came back is not what was sent")
	}
	down.says("EXIT", "[OK] Sampai jumpa")
}

// TestOpenSSLRefused offers what the policy refuses.
func TestOpenSSLRefused(t *testing.T) {
	h := newHouse(t, "")
	h.serve()
	for _, protocol := range []string{"chat", "files"} {
		for offer, good := range map[string]bool{
			"-tls1_3": true, "-tls1_2": true, "-alpn posko-" + protocol: true, "-groups X25519": true,
			"-tls1_1 -cipher ALL:@SECLEVEL=0": false, "-alpn h2": false,
			"-tls1_2 -cipher AES128-GCM-SHA256": false, "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256": false,
		} {
			cmd := exec.CommandContext(t.Context(), "openssl",
				strings.Fields("s_client -connect "+h.address(protocol)+" "+offer)...)
			text, err := cmd.CombinedOutput() // standard input is empty, so it ends
			if (err == nil) != good {
				t.Errorf("%s %s: %v\n%s", protocol, offer, err, text)
			}
		}
	}
}

// TestCertLogin logs in by the documented line, with a certificate that was
// issued for the account, at both protocols, until it is taken away.
func TestCertLogin(t *testing.T) {
	h := newHouse(t, "[tls]\nclient_auth = \"optional\"\n")
	h.user("ani")
	h.serve()
	h.must("", "cert", "issue", "ani", "--client", "--dir", h.dir)
	lines := h.printed()
	line := func(i int) string {
		return lines[i] + " -cert " + h.dir + "/ani.pem -key " + h.dir + "/ani.key"
	}
	chat := h.terminal(line(0))
	chat.says("certlogin", "[OK] login berhasil")
	chat.says("online", "[OK] 1 baris")
	chat.shows("ani")
	files := h.terminal(line(1))
	files.says("CERTLOGIN", "[OK] login berhasil")
	files.says("PWD", "[OK] /")
	without := h.terminal(lines[0])
	without.says("CERTLOGIN", "[ERR] Tidak ada sertifikat klien")
	without.says("LOGIN ani "+passwordOf("ani"), "[OK] login berhasil")

	sum := must(exec.Command("openssl", "x509", "-in", filepath.Join(h.dir, "ani.pem"), "-noout", "-fingerprint", "-sha256").Output())(t)
	_, fingerprint, _ := strings.Cut(strings.TrimSpace(string(sum)), "=")
	if got := h.run("", "user", "cert", "add", "ani", "nonsense"); got.status != 1 || !strings.Contains(got.err, "openssl x509") {
		t.Errorf("no fingerprint: %+v", got)
	}
	h.must("", "user", "cert", "add", "ani", fingerprint)
	if got := h.must("", "user", "cert", "list", "ani"); !strings.Contains(got, fingerprint+"  bound") {
		t.Errorf("list:\n%s", got)
	}
	h.must("", "user", "cert", "del", "ani", fingerprint)
	if got := h.must("", "user", "cert", "list", "ani"); !strings.Contains(got, fingerprint+"  taken away") {
		t.Errorf("list:\n%s", got)
	}
	chat.shows("[INFO] Sertifikat Anda dicabut")
	files.shows("[INFO] Sertifikat Anda dicabut")
	h.terminal(line(0)).says("CERTLOGIN", "[ERR] Sertifikat tidak terdaftar")

	// A new authority trusts nobody of the old one, at once.
	h.must("", "cert", "ca", "--renew", "--yes")
	refused := h.terminal(line(0))
	if _, err := refused.r.ReadString('\n'); err == nil {
		t.Error("the old authority's certificate was let in")
	}
	h.log.await("client certificate refused")
	h.must("", "cert", "issue", "ani", "--client", "--dir", h.dir, "--force")
	h.terminal(line(0)).says("CERTLOGIN", "[OK] login berhasil")
}

// TestHints runs the printed lines where an address needs more than itself, and
// sees that they verify whom they talk to.
func TestHints(t *testing.T) {
	addresses := strings.NewReplacer(`chat = ["127.0.0.1:0"]`, `chat = [":0"]`, `files = ["127.0.0.1:0"]`, `files = ["127.0.0.2:0"]`)
	h := newHouse(t, "")
	h.write(addresses.Replace(fastConfig))
	h.serve()
	commands := h.printed()
	if want := "\n  poskod user add NAME --config " + h.config + "\n"; !strings.Contains(h.out.String(), want) {
		t.Errorf("no %q in\n%s", want, h.out)
	}
	for i, command := range commands {
		x := h.terminal(command)
		x.says("EXIT", "[OK] Sampai jumpa")
		tried := 0
		for _, wrong := range []struct{ from, to string }{
			{h.dir, "/nonexistent"},
			{"-verify_ip ", "-verify_ip 9"},
			{"-verify_hostname ", "-verify_hostname x"},
		} {
			if !strings.Contains(command, wrong.from) {
				continue
			}
			tried++
			bad := exec.CommandContext(t.Context(), "sh", "-c", "exec "+strings.Replace(command, wrong.from, wrong.to, 1))
			bad.Stdin = strings.NewReader("EXIT\n")
			if out, err := bad.Output(); err == nil || strings.Contains(string(out), "[OK]") {
				t.Errorf("line %d with %s: served: %q", i, wrong.to, out)
			}
		}
		if tried != 2 {
			t.Errorf("line %d names no authority, or not whom to expect: %s", i, command)
		}
	}
	h.signal(syscall.SIGTERM)
	if status := h.exit(); status != 0 {
		t.Errorf("status %d", status)
	}
}

func TestQuote(t *testing.T) {
	for path, want := range map[string]string{
		"/var/lib/posko": "/var/lib/posko",
		"/a b":           "'/a b'",
		"/it's":          `'/it'\''s'`,
		"/$HOME":         "'/$HOME'",
	} {
		got := quote(path)
		if got != want {
			t.Errorf("quote(%q) = %s, want %s", path, got, want)
		}
		out, err := exec.Command("sh", "-c", "printf %s "+got).Output()
		if err != nil || string(out) != path {
			t.Errorf("the shell makes %q of %s, %v", out, got, err)
		}
	}
}
