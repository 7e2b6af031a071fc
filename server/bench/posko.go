package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// limitsOff are the settings of every run: no limit stands in the way.
var limitsOff = []string{
	"accounts.signup = true",
	`login.timeout = "0"`,
	"login.failures_per_pair = 0",
	"login.failures_per_address = 0",
	"login.max_errors = 0",
	"login.max_lines = 0",
	"login.max_bytes = 0",
	"limits.connections = 0",
	"chat.rate = 0",
	"limits.per_address = 0",
	"limits.per_account = 0",
	"limits.handshakes = 0",
	"chat.burst = 0",
	`files.idle_timeout = "0"`,
	"files.free_reserve = 0",
	"files.quota = 0",
	"files.quota_files = 0",
	`files.trash = "0"`,
}

// cheapPasswords make a login comparable with those of peers that check no
// password.
var cheapPasswords = []string{`accounts.hash_memory = "8KiB"`, "accounts.hash_time = 1"}

// startPosko starts the built poskod with its state in dir. It returns the
// server by its chat address, and the address of its files.
func (b *bench) startPosko(ctx context.Context, dir string, settings ...string) (*server, string, error) {
	chat, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	files, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	config := slices.Concat(limitsOff, settings, []string{
		fmt.Sprintf("listen.chat = [%q]", chat),
		fmt.Sprintf("listen.files = [%q]", files),
		`state.dir = "state"`,
	})
	path := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(path, []byte(strings.Join(config, "\n")), 0o600); err != nil {
		return nil, "", err
	}
	env := []string{"POSKO_PROFILE=" + filepath.Join(dir, "profile")}
	s, err := b.launch(ctx, dir, chat, env, b.poskod, "serve", "--config", path)
	return s, files, err
}

// posko is posko's chat as its clients speak it.
type posko struct{}

func (posko) login(user string, first bool) []step {
	login := step{"LOGIN " + user + " rahasia12", "[OK] "}
	if first {
		return []step{{"SIGNUP " + user + " rahasia12", "[OK] "}, login}
	}
	return []step{login}
}

func (posko) join(group string, first bool) step {
	if first {
		return step{"CREATEGROUP " + group + " kunci", "[OK] "}
	}
	return step{"JOIN " + group + " kunci", "[OK] "}
}

func (posko) toGroup(group, text string) string { return "SENDGROUP " + group + " " + text }
func (posko) toUser(user, text string) string   { return "SEND " + user + " " + text }

func (posko) kind(line []byte) kind {
	switch {
	case len(line) > 6 && (string(line[:6]) == "[GRUP]" || string(line[:5]) == "[MSG]"):
		return message
	case len(line) > 5 && string(line[:5]) == "[ERR]":
		return refusal
	default:
		return other
	}
}

// profiled has the server profile itself while f runs, where that is asked
// for, and keeps the profile under name.
func (b *bench) profiled(s *server, name string, f func() error) error {
	if b.profiles == "" {
		return f()
	}
	made := filepath.Join(s.cmd.Dir, "profile")
	if err := s.cmd.Process.Signal(startProfile); err != nil {
		return err
	}
	err := f()
	if err := s.cmd.Process.Signal(stopProfile); err != nil {
		return err
	}
	for range 100 {
		if from, err := os.ReadFile(made); err == nil {
			if err := os.Remove(made); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(b.profiles, name+".pprof"), from, 0o600)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s: no profile was written: %w", name, err)
}
