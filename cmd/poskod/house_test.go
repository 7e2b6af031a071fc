package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"posko/server/line"
	"posko/tlsutil"
)

// patience bounds every wait of a test.
const patience = 20 * time.Second

// binary is the poskod that the tests run.
var binary string

// TestMain builds it once, as a release is built.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "poskod")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // another user runs it, too
		log.Fatal(err)
	}
	binary = filepath.Join(dir, "poskod")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		log.Fatal(err)
	}
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// A house is a state directory with its configuration, and perhaps a daemon.
type house struct {
	t      *testing.T
	dir    string
	config string
	daemon *exec.Cmd
	ended  chan struct{} // the daemon is no more
	log    *watched      // its standard error
	out    *watched      // its standard output
}

// settings that make tests fast. What a test needs beyond them it appends.
const fastConfig = `
[listen]
chat = ["127.0.0.1:0"]
files = ["127.0.0.1:0"]
[state]
dir = "."
[files]
free_reserve = 0
[accounts]
hash_memory = "8KiB"
hash_time = 1
`

func newHouse(t *testing.T, config string) *house {
	t.Helper()
	// Not t.TempDir: its path may be too long for a socket's.
	dir, err := os.MkdirTemp("", "posko")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, dir: dir, config: filepath.Join(dir, "config.toml")}
	t.Cleanup(func() {
		h.kill()
		os.RemoveAll(dir)
	})
	h.write(fastConfig + config)
	return h
}

func (h *house) write(config string) {
	h.t.Helper()
	if err := os.WriteFile(h.config, []byte(config), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// environ is that of somebody who has nothing of systemd's or of their own.
func environ(more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}, more...)
}

// serve starts the daemon and waits until it serves.
func (h *house) serve() {
	h.t.Helper()
	h.start(exec.Command(binary, "serve", "--config", h.config))
	h.log.await("msg=serving")
}

// start starts a daemon.
func (h *house) start(cmd *exec.Cmd) {
	h.t.Helper()
	if cmd.Env == nil {
		cmd.Env = environ()
	}
	h.log, h.out = newWatched(h.t), newWatched(h.t)
	cmd.Stderr, cmd.Stdout = h.log, h.out
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.daemon, h.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) {
		cmd.Wait()
		close(ended)
	}(h.ended)
}

func (h *house) signal(sig syscall.Signal) {
	h.t.Helper()
	if err := h.daemon.Process.Signal(sig); err != nil {
		h.t.Fatal(err)
	}
}

// kill ends the daemon at once, if there is one.
func (h *house) kill() {
	if h.daemon != nil {
		h.daemon.Process.Kill()
		<-h.ended
		h.daemon = nil
	}
}

// exit awaits the daemon's end and returns its status.
func (h *house) exit() int {
	h.t.Helper()
	select {
	case <-h.ended:
	case <-time.After(patience):
		h.t.Fatal("the daemon has not ended")
	}
	status := h.daemon.ProcessState.ExitCode()
	h.daemon = nil
	return status
}

// A result is what a command printed, and its exit status.
type result struct {
	out, err string
	status   int
}

// run runs a command with something on its standard input.
func (h *house) run(input string, args ...string) result {
	h.t.Helper()
	return h.runAs(nil, input, args...)
}

func (h *house) runAs(who *syscall.SysProcAttr, input string, args ...string) result {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append([]string{"--config", h.config}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	cmd.Env, cmd.SysProcAttr = environ(), who
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		h.t.Fatalf("%v: %v", args, err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// must runs a command that succeeds and returns what it printed.
func (h *house) must(input string, args ...string) string {
	h.t.Helper()
	r := h.run(input, args...)
	if r.status != 0 {
		h.t.Fatalf("%v: status %d\n%s%s", args, r.status, r.out, r.err)
	}
	return r.out
}

// user makes an account with the password that passwordOf says.
func (h *house) user(name string) {
	h.t.Helper()
	h.must(passwordOf(name)+"\n", "user", "add", name, "--stdin")
}

func passwordOf(name string) string { return name + "rahasia12" }

// address is where a protocol listens, as poskod status tells it.
func (h *house) address(protocol string) string {
	h.t.Helper()
	status := h.must("", "status")
	m := regexp.MustCompile(`(?m)^` + protocol + ` .* listening on (\S+)$`).FindStringSubmatch(status)
	if m == nil {
		h.t.Fatalf("no address of %s in\n%s", protocol, status)
	}
	return m[1]
}

// A peer is a client's connection.
type peer struct {
	*line.Client
	nc net.Conn
}

// dial connects with TLS.
func (h *house) dial(address, alpn string) (*peer, error) {
	ca, err := os.ReadFile(filepath.Join(h.dir, "tls", "own", "ca.pem"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: tlsutil.ClientConfig(pool, "127.0.0.1", alpn)}
	nc, err := d.DialContext(h.t.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	nc.SetDeadline(time.Now().Add(patience))
	return &peer{line.NewClient(nc), nc}, nil
}

// chat and files log an account of user in.

func (h *house) chat(address, name string) (*peer, error) {
	return h.login(address, "posko-chat", "LOGIN "+name+" "+passwordOf(name))
}

func (h *house) files(address, name string) (*peer, error) {
	return h.login(address, "posko-files", "USER "+name, "PASS "+passwordOf(name))
}

func (h *house) login(address, alpn string, commands ...string) (*peer, error) {
	p, err := h.dial(address, alpn)
	if err != nil {
		return nil, err
	}
	for _, command := range commands {
		if _, err := p.Do(command); err != nil {
			p.Close()
			return nil, fmt.Errorf("%s: %w", command, err)
		}
	}
	return p, nil
}

// must is for a result that must come without an error: must(f())(t).
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// A watched is what a process has printed, for somebody who waits for it.
type watched struct {
	t    *testing.T
	mu   sync.Mutex
	text strings.Builder
	grew chan struct{}
}

func newWatched(t *testing.T) *watched { return &watched{t: t, grew: make(chan struct{})} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.grew)
	w.grew = make(chan struct{})
	return w.text.Write(p)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// await waits until all of it matches, and returns what does.
func (w *watched) await(pattern string) string {
	w.t.Helper()
	re, deadline := regexp.MustCompile(pattern), time.After(patience)
	for {
		w.mu.Lock()
		text, grew := w.text.String(), w.grew
		w.mu.Unlock()
		if m := re.FindString(text); m != "" {
			return m
		}
		select {
		case <-grew:
		case <-deadline:
			w.t.Fatalf("%q did not come; there is\n%s", pattern, text)
		}
	}
}

// serial tells which certificate the server has shown.
func (p *peer) serial() string {
	return p.nc.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
}
