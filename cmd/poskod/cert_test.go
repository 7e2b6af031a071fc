package main

import (
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestCert asks a daemon for its certificates, and then finds them without it.
func TestCert(t *testing.T) {
	h := newHouse(t, "[tls]\nnames = [\"chat.example\"]\n")
	if got := h.must("", "cert"); !strings.Contains(got, "the next start of poskod, which makes it") || !strings.Contains(got, "chat.example") {
		t.Errorf("before the first start:\n%s", got)
	}
	h.serve()
	want := regexp.MustCompile(`^names         chat\.example .*localhost 127\.0\.0\.1 ::1
state         good
source        own authority in .*/tls/own
issuer        posko authority of chat\.example
not after     \S+Z
days left     89
last renewal  \S+Z succeeded
$`)
	online := h.must("", "cert")
	if !want.MatchString(online) {
		t.Errorf("online:\n%s", online)
	}
	h.signal(syscall.SIGTERM)
	h.exit()
	if offline := h.must("", "cert"); offline != online {
		t.Errorf("offline:\n%s\nonline:\n%s", offline, online)
	}
}

// TestCertFiles serves two pairs from files, one of them a credential, and
// spoils one while the daemon runs.
func TestCertFiles(t *testing.T) {
	h := newHouse(t, "")
	h.serve()
	h.signal(syscall.SIGTERM)
	h.exit()
	server := must(os.ReadFile(filepath.Join(h.dir, "tls", "own", "server.pem")))(t)
	put := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(h.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("a.pem", server)
	put("b.pem", server)
	h.write(fastConfig + "[tls]\nmode = \"files\"\n" +
		"cert = [\"" + h.dir + "/a.pem\", \"$CREDENTIALS_DIRECTORY/b.pem\"]\nkey = [\"" + h.dir + "/a.pem\", \"$CREDENTIALS_DIRECTORY/b.pem\"]\n")
	if got := h.must("", "check"); got != "configuration is good\n" {
		t.Errorf("check says %q", got)
	}
	if got := h.must("", "cert"); !strings.Contains(got, "NEEDS YOU") || !strings.Contains(got, "$CREDENTIALS_DIRECTORY is not set") {
		t.Errorf("without credentials:\n%s", got)
	}
	daemon := exec.Command(binary, "serve", "--config", h.config)
	daemon.Env = environ("CREDENTIALS_DIRECTORY=" + h.dir)
	h.start(daemon)
	h.log.await("msg=serving")
	good := h.must("", "cert")
	if strings.Count(good, "state         good") != 2 || !strings.Contains(good, "\n\nnames ") || !strings.Contains(good, "file "+h.dir+"/b.pem") {
		t.Errorf("two pairs:\n%s", good)
	}
	put("b.pem", server[:len(server)/2])
	h.signal(syscall.SIGHUP)
	h.log.await("reload refused, nothing has changed.*b.pem")
	put("b.pem", server)
	h.signal(syscall.SIGHUP)
	h.log.await("configuration reloaded")
}

// TestCertIssue issues certificates, by a daemon and without one.
func TestCertIssue(t *testing.T) {
	for name, online := range map[string]bool{"online": true, "offline": false} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, "")
			h.user("ani")
			if online {
				h.serve()
			}
			out := t.TempDir()
			ca := h.must("", "cert", "ca")
			caFile := filepath.Join(out, "ca.pem")
			if err := os.WriteFile(caFile, []byte(ca), 0o600); err != nil {
				t.Fatal(err)
			}
			fingerprint := must(exec.Command("openssl", "x509", "-in", caFile, "-noout", "-fingerprint", "-sha256").Output())(t)
			_, want, _ := strings.Cut(strings.TrimSpace(string(fingerprint)), "=")
			if first, _, _ := strings.Cut(ca, "\n"); first != "SHA-256 fingerprint: "+want {
				t.Errorf("printed %q, openssl says %q", first, want)
			}

			issue := func(args ...string) result {
				return h.run("", append([]string{"cert", "issue", "--dir", out}, args...)...)
			}
			got := issue("imap.example", "192.0.2.7")
			if got.status != 0 || strings.Contains(got.out+got.err, "PRIVATE") {
				t.Errorf("a server's: %+v", got)
			}
			if got := issue("imap.example"); got.status != 1 || !strings.Contains(got.err, "--force") {
				t.Errorf("over a file that is there: %+v", got)
			}
			key := must(os.ReadFile(filepath.Join(out, "imap.example.key")))(t)
			if got := issue("imap.example", "--force"); got.status != 0 {
				t.Errorf("with --force: %+v", got)
			}
			if again := must(os.ReadFile(filepath.Join(out, "imap.example.key")))(t); string(again) == string(key) {
				t.Error("--force has replaced nothing")
			}
			if info := must(os.Stat(filepath.Join(out, "imap.example.key")))(t); info.Mode() != 0o600 {
				t.Errorf("the key has mode %v", info.Mode())
			}
			if got := issue("ani", "--client"); got.status != 0 {
				t.Errorf("a client's: %+v", got)
			}
			if got := issue("budi", "--client"); got.status != 1 || !strings.Contains(got.err, "no account budi") {
				t.Errorf("for nobody: %+v", got)
			}
			if got := issue("under_score", "x/y"); got.status != 1 || !strings.Contains(got.err, "x/y") {
				t.Errorf("no host name: %+v", got)
			}
			for purpose, file := range map[string]string{"sslserver": "imap.example.pem", "sslclient": "ani.pem"} {
				if text, err := exec.Command("openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", caFile, filepath.Join(out, file)).CombinedOutput(); err != nil {
					t.Errorf("%s: %s", file, text)
				}
			}
			if got := issue("ani", "--client", "--stdout"); strings.Count(got.out, "BEGIN") != 3 {
				t.Errorf("--stdout: %+v", got)
			}
			if got := h.run("", "cert", "ca", "--renew"); got.status != 1 || !strings.Contains(got.err, "--yes") {
				t.Errorf("renewing unasked: %+v", got)
			}
			if renewed := h.must("", "cert", "ca", "--renew", "--yes"); renewed == ca || renewed != h.must("", "cert", "ca") {
				t.Errorf("renewed:\n%s", renewed)
			}
		})
	}
}

// TestCertIssueAtOnce has several certificates issued for one name at once. One
// of them is written, key and certificate.
func TestCertIssueAtOnce(t *testing.T) {
	h := newHouse(t, "")
	h.serve()
	out := t.TempDir()
	written := make(chan bool)
	const n = 8
	for range n {
		go func() {
			got := h.run("", "cert", "issue", "--dir", out, "imap.example")
			if got.status != 0 && !strings.Contains(got.err, "--force") {
				t.Errorf("refused: %+v", got)
			}
			written <- got.status == 0
		}()
	}
	count := 0
	for range n {
		if <-written {
			count++
		}
	}
	if count != 1 {
		t.Errorf("%d have been written", count)
	}
	if _, err := tls.LoadX509KeyPair(filepath.Join(out, "imap.example.pem"), filepath.Join(out, "imap.example.key")); err != nil {
		t.Error(err)
	}
}
