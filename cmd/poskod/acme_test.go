package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"posko/tlsutil/acme/acmetest"
)

// newACMEHouse is configured for an authority that asks at addresses where
// nothing listens yet.
func newACMEHouse(t *testing.T, a *acmetest.Authority, more string) *house {
	t.Helper()
	a.HTTP.Close()
	return newHouse(t, fmt.Sprintf(`
[tls]
mode = "acme"
names = ["pos.example"]
[tls.acme]
agreed_terms = true
ca = %q
ca_root = %q
http_listen = [%q]
%s`, a.Directory(), a.CARoot, a.HTTP.Addr().String(), more))
}

// shown is who signed the certificate that a client is shown.
func (h *house) shown(address string) string {
	h.t.Helper()
	d := &net.Dialer{Timeout: patience}
	nc, err := tls.DialWithDialer(d, "tcp", address, &tls.Config{InsecureSkipVerify: true, ServerName: "pos.example"})
	if err != nil {
		h.t.Fatal(err)
	}
	defer nc.Close()
	return nc.ConnectionState().PeerCertificates[0].Issuer.CommonName
}

// certShows asks for the certificates until the answer has a text in it.
func (h *house) certShows(want string) string {
	h.t.Helper()
	for late := time.Now().Add(patience); ; {
		got := h.must("", "cert")
		if strings.Contains(got, want) {
			return got
		}
		if time.Now().After(late) {
			h.t.Fatalf("%q did not come:\n%s", want, got)
		}
	}
}

// beside starts another process on the same configuration.
func (h *house) beside(args ...string) *house {
	h.t.Helper()
	other := &house{t: h.t, dir: h.dir, config: h.config}
	h.t.Cleanup(other.kill)
	other.start(exec.Command(binary, append(args, "--config", h.config)...))
	return other
}

// staleLock is the line of the log about what leaveLock leaves: it is
// certmagic's, and in the form of ours.
const staleLock = `level=INFO msg=".*Lock for 'issue_cert_pos.example' is stale`

// leaveLock leaves a lock as a process that was killed does.
func (h *house) leaveLock() {
	h.t.Helper()
	locks := filepath.Join(h.dir, "tls", "acme", "locks")
	if err := os.MkdirAll(locks, 0o700); err != nil {
		h.t.Fatal(err)
	}
	old := []byte(`{"created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z"}`)
	if err := os.WriteFile(filepath.Join(locks, "issue_cert_pos.example.lock"), old, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// TestACMEAlone has one process do all.
func TestACMEAlone(t *testing.T) {
	t.Parallel()
	a := acmetest.New(t)
	h := newACMEHouse(t, a, "")
	h.leaveLock()
	h.serve()
	chat := h.address("chat")
	h.log.await(staleLock)
	h.log.await(`a certificate could not be had.*can't be reached`)
	got := h.certShows("can't be reached")
	for _, want := range []string{"NEEDS YOU: there is no certificate", "waiting for   the authority's first certificate", "own authority in"} {
		if !strings.Contains(got, want) {
			t.Errorf("while the authority is down, without %q:\n%s", want, got)
		}
	}
	if got := h.shown(chat); !strings.HasPrefix(got, "posko authority") {
		t.Errorf("while the authority is down: by %q", got)
	}
	authority := x509.NewCertPool()
	authority.AppendCertsFromPEM([]byte(h.must("", "cert", "ca", "--renew", "--yes")))
	if nc, err := tls.Dial("tcp", chat, &tls.Config{RootCAs: authority, ServerName: "pos.example"}); err != nil {
		t.Errorf("with a new authority: %v", err)
	} else {
		nc.Close()
	}
	a.Start()
	h.signal(syscall.SIGHUP) // tries again at once
	h.log.await(`serving a certificate.*name=pos.example`)
	if got := h.shown(chat); !strings.HasPrefix(got, "Pebble") {
		t.Errorf("by %q", got)
	}
	online := h.certShows("succeeded")
	if !strings.Contains(online, "state         good") || strings.Contains(online, "own authority") {
		t.Errorf("afterwards:\n%s", online)
	}
	h.signal(syscall.SIGTERM)
	h.exit()
	if offline := h.must("", "cert"); offline != online {
		t.Errorf("offline:\n%s\nonline:\n%s", offline, online)
	}
}

// TestACMEApart has one process get what another serves, as systemd's units do.
func TestACMEApart(t *testing.T) {
	t.Parallel()
	a := acmetest.New(t)
	a.Start()
	h := newACMEHouse(t, a, "own_until_issued = false")
	h.leaveLock()
	h.start(exec.Command(binary, "serve", "--no-acme", "--config", h.config))
	h.log.await("msg=serving ")
	chat := h.address("chat")
	if _, err := tls.Dial("tcp", chat, &tls.Config{InsecureSkipVerify: true}); err == nil {
		t.Error("served without a certificate")
	}
	if got := h.must("", "cert"); !strings.Contains(got, "systemctl enable --now poskod-acme.service") {
		t.Errorf("before:\n%s", got)
	}
	other := h.beside("acme")
	other.log.await(staleLock)
	h.log.await(`serving a certificate.*name=pos.example`)
	if got := h.shown(chat); !strings.HasPrefix(got, "Pebble") {
		t.Errorf("by %q", got)
	}
	other.log.await("certificate obtained successfully")
	// It waits idle for a mode in which it has work.
	h.write(fastConfig)
	other.signal(syscall.SIGHUP)
	other.log.await("configuration reloaded.*mode=own")
	other.signal(syscall.SIGTERM)
	if status := other.exit(); status != 0 {
		t.Errorf("status %d", status)
	}
}

// TestACMERefused is about what keeps certificates from being got at all.
func TestACMERefused(t *testing.T) {
	t.Parallel()
	a := acmetest.New(t)
	for more, want := range map[string]string{
		"eab_key_id = \"1\"\neab_key_file = \"config.toml\"":                    "not in base64",
		"eab_key_id = \"1\"\neab_key_file = \"nothing\"":                        "tls.acme.eab_key_file: .*no such file",
		"eab_key_id = \"1\"\neab_key_file = \"$CREDENTIALS_DIRECTORY/nothing\"": "CREDENTIALS_DIRECTORY is not set",
	} {
		h := newACMEHouse(t, a, more)
		h.start(exec.Command(binary, "acme", "--config", h.config))
		if status := h.exit(); status != 1 {
			t.Errorf("%s: status %d", more, status)
		}
		h.log.await(want)
	}
	h := newACMEHouse(t, a, "")
	h.write(strings.ReplaceAll(fastConfig, "127.0.0.1:0", a.Host+":0") + "[tls]\nmode = \"own\"\n")
	h.serve()
	h.write(fastConfig + fmt.Sprintf("[tls]\nmode = \"acme\"\nnames = [\"a.example\"]\n[tls.acme]\nagreed_terms = true\nca_root = %q\n", a.CARoot))
	h.signal(syscall.SIGHUP)
	h.log.await("reload refused, nothing has changed.*nothing listens for the authority's questions")
}

// TestACMEStatus reads what the service manager is told.
func TestACMEStatus(t *testing.T) {
	t.Parallel()
	a := acmetest.New(t)
	h := newACMEHouse(t, a, "")
	m, environment := newManager(t, h)
	// The watchdog is meant for the process that WATCHDOG_PID names.
	cmd := exec.Command("sh", "-c", `WATCHDOG_PID=$$ exec "$@"`, "sh", binary, "acme", "--config", h.config)
	cmd.Env = environ(environment, "WATCHDOG_USEC=200000")
	h.start(cmd)
	m.hears("READY=1")
	m.hears("WATCHDOG=1")
	h.log.await("a certificate could not be had")
	h.signal(syscall.SIGHUP)
	m.hears("RELOADING=1")
	m.hears("READY=1")
	if got := m.hears("STATUS="); !strings.Contains(got, "last error: the authority can't be reached") {
		t.Errorf("got %q", got)
	}
	h.signal(syscall.SIGTERM)
	m.hears("STOPPING=1")
	if status := h.exit(); status != 0 {
		t.Errorf("status %d", status)
	}
	if _, err := os.Stat(filepath.Join(h.dir, "posko.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it opens the database: %v", err)
	}
}
