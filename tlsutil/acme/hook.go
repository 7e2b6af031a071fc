package acme

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"syscall"
	"time"

	acmez "github.com/mholt/acmez/v3/acme"
)

const (
	// How long a hook may take. It may wait for its change to reach every
	// server of the zone.
	hookLimit = 5 * time.Minute
	// To remove it again it has less: a stop and a reload wait for that.
	removeLimit = 30 * time.Second
	// How much of its output is logged.
	maxOutput = 4 << 10
)

// hook solves the challenge DNS-01 by a program of the administrator's, which
// is called with "add" or "remove", the record's name and its value (TXT).
type hook struct {
	program string
	limit   time.Duration // of a call
	log     *slog.Logger
}

// Present and CleanUp implement acmez.Solver.

func (h *hook) Present(ctx context.Context, c acmez.Challenge) error {
	return h.call(ctx, h.limit, "add", c)
}

func (h *hook) CleanUp(ctx context.Context, c acmez.Challenge) error {
	// Also when the daemon is being stopped.
	return h.call(context.WithoutCancel(ctx), min(h.limit, removeLimit), "remove", c)
}

func (h *hook) call(ctx context.Context, limit time.Duration, action string, c acmez.Challenge) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	name := c.DNS01TXTRecordName()
	cmd := exec.CommandContext(ctx, h.program, action, name, c.DNS01KeyAuthorization())
	// What it has started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out head
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err == nil {
		h.log.Info("the DNS hook has been called", "action", action, "record", name, "output", string(out))
		return nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("not done after %v", limit)
	}
	h.log.Error("the DNS hook has failed", "action", action, "record", name, "output", string(out), "err", err)
	return fmt.Errorf("acme: the DNS hook %s %s %s: %w (the log has its output)", h.program, action, name, err)
}

// head keeps the beginning of what is written.
type head []byte

func (h *head) Write(p []byte) (int, error) {
	*h = append(*h, p[:min(len(p), maxOutput-len(*h))]...)
	return len(p), nil
}
