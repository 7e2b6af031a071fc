package systemd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listenNotify stands in for the service manager. The function it returns
// waits for the next datagram.
func listenNotify(t *testing.T) (next func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		t.Helper()
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
}

func TestNotify(t *testing.T) {
	next := listenNotify(t)
	for _, test := range []struct {
		send func() error
		want string
	}{
		{Ready, `^READY=1$`},
		{Reloading, `^RELOADING=1\nMONOTONIC_USEC=[0-9]+\n$`},
		{Stopping, `^STOPPING=1$`},
		{func() error { return Status("3 connections\nREADY=1") }, `^STATUS=3 connections READY=1$`},
	} {
		if err := test.send(); err != nil {
			t.Fatal(err)
		}
		if got := next(); !regexp.MustCompile(test.want).MatchString(got) {
			t.Errorf("datagram %q, want %s", got, test.want)
		}
	}
}

func TestNotifyNobody(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Ready(); err != nil {
		t.Errorf("Ready without a service manager: %v", err)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "missing"))
	if err := Ready(); err == nil {
		t.Error("Ready to a socket that is not there gave no error")
	}
}

func TestWatchdog(t *testing.T) {
	next := listenNotify(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", "")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- Watchdog(ctx, slog.New(slog.DiscardHandler), func(context.Context) error { return nil })
	}()
	if got := next(); got != "WATCHDOG=1" {
		t.Errorf("datagram %q, want WATCHDOG=1", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWatchdogNotAsked(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "")
	if err := Watchdog(t.Context(), nil, nil); err != nil {
		t.Errorf("without WATCHDOG_USEC: %v", err)
	}
	t.Setenv("WATCHDOG_USEC", "soon")
	if err := Watchdog(t.Context(), nil, nil); err == nil {
		t.Error("WATCHDOG_USEC=soon gave no error")
	}
}

// TestWatch lets a minute go by with WatchdogSec=8s while the daemon is well,
// sick, slow and hung.
func TestWatch(t *testing.T) {
	const limit = 8 * time.Second
	sick := errors.New("sick")
	for _, test := range []struct {
		name  string
		probe func(context.Context) error
		want  []time.Duration // of the beats
	}{
		{"well", func(context.Context) error { return nil }, []time.Duration{4 * time.Second, 8 * time.Second, 12 * time.Second}},
		{"sick", func(context.Context) error { return sick }, nil},
		{"just in time", func(ctx context.Context) error { return after(ctx, limit/4-1) }, []time.Duration{6*time.Second - 1, 10*time.Second - 1}},
		{"slow", func(ctx context.Context) error { return after(ctx, limit/4+1) }, nil},
		{"hung", func(ctx context.Context) error { return after(context.WithoutCancel(ctx), time.Minute) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 13*time.Second)
				defer cancel()
				start := time.Now()
				var beats []time.Duration
				watch(ctx, slog.New(slog.DiscardHandler), limit, test.probe, func() error {
					beats = append(beats, time.Since(start))
					return nil
				})
				if diff := cmp.Diff(test.want, beats); diff != "" {
					t.Errorf("beats (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func after(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
