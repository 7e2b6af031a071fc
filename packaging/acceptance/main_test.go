//go:build acceptance

// Package acceptance lets the built packages live their whole life in a booted
// Debian: install, serve, reload, be watched, restart and upgrade under load,
// remove, purge.
//
// It owns the container and the clients; it must not know how packages are
// built (../build) nor what is tested elsewhere without systemd. "run" beside
// it makes what it needs and starts it as root.
package acceptance

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	packages = flag.String("packages", "", "directory with the packages: first, again (the same commit) and next (a later version)")
	rootfs   = flag.String("rootfs", "", "tar archive of the Debian to boot")
)

// The versions that "run" gives the packages.
const (
	firstVersion = "0.0.1"
	nextVersion  = "0.0.2"
)

// TestMain also is the program that runs in the container's network for a
// test: nsenter starts the test binary again with a role.
func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case roleWeb:
		serveFiles(os.Getenv(argVar))
	case roleLoad:
		load(os.Getenv(argVar))
	default:
		flag.Parse()
		os.Exit(m.Run())
	}
}

const (
	roleVar  = "POSKO_ACCEPTANCE_ROLE"
	argVar   = "POSKO_ACCEPTANCE_ARG"
	roleWeb  = "web"
	roleLoad = "load"
)

// commandLimit bounds each command that a test runs; the slowest of them boots
// and installs.
const commandLimit = 2 * time.Minute

// command runs a program of the host and returns what it printed. It dies with
// the test.
func command(ctx context.Context, stdin, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	// The signal is sent when the thread that started the program ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second // for what it started and left behind
	cmd.Stdin = strings.NewReader(stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustCommand(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := command(t.Context(), "", name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// glob returns the files in the packages' directory that match, at least one.
func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(*packages, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no packages %s in %q: %v", pattern, *packages, err)
	}
	return files
}

// until asks again and again until the condition holds, at most for limit.
func until(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}
