package acme

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	acmez "github.com/mholt/acmez/v3/acme"

	"posko/tlsutil/acme/acmetest"
)

// TestHookChildren has a hook that never ends leave nothing behind that it has
// started.
func TestHookChildren(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := &hook{program: filepath.Join(dir, "hook"), limit: time.Second, log: slog.New(slog.DiscardHandler)}
	script := "#!/bin/sh\n(echo up >&3; sleep 1000) 3>" + pipe + " &\nwait\n"
	if err := os.WriteFile(h.program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := h.Present(t.Context(), acmez.Challenge{}); err == nil {
		t.Error("it ended well")
	}
	f.SetReadDeadline(time.Now().Add(acmetest.Patience))
	// The pipe ends once nobody has it open for writing.
	if got, err := io.ReadAll(f); string(got) != "up\n" || err != nil {
		t.Errorf("from its child: %q, %v", got, err)
	}
}

// TestHookFails has hooks that fail, say too much, and never end.
func TestHookFails(t *testing.T) {
	for name, tt := range map[string]struct {
		script, output, err string
		limit               time.Duration
	}{
		"fails":    {"echo no such zone; exit 3", `output="no such zone\n"`, "exit status 3", time.Minute},
		"too much": {"head -c 1000000 /dev/zero | tr '\\0' x; exit 1", strings.Repeat("x", 4096) + " ", "exit status 1", time.Minute},
		"no end":   {"echo waiting; sleep 1000 & wait", `output="waiting\n"`, "not done after 1s", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &journal{t: t}
			h := &hook{program: filepath.Join(t.TempDir(), "hook"), limit: tt.limit, log: slog.New(slog.NewTextHandler(log, nil))}
			if err := os.WriteFile(h.program, []byte("#!/bin/sh\n"+tt.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			challenge := acmez.Challenge{Identifier: acmez.Identifier{Type: "dns", Value: "pos.example"}, KeyAuthorization: "x"}
			if err := h.Present(t.Context(), challenge); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if !strings.Contains(log.String(), tt.output) {
				t.Errorf("the log lacks %q:\n%.200s", tt.output, log)
			}
		})
	}
}
