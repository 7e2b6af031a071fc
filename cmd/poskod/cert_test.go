package main

import (
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
