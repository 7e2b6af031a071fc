package acme

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	acmez "github.com/mholt/acmez/v3/acme"
)

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
