package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Each notification below is one datagram to $NOTIFY_SOCKET and does nothing
// where there is none. An error means that the service manager did not get it.
// They may be called from any goroutine. Source: sd_notify(3).

// Ready says that the daemon serves: after start, once every listener accepts,
// and after each Reloading, whether or not the new configuration was taken.
func Ready() error { return notify(daemon.SdNotifyReady) }

// Reloading says that the daemon reads its configuration again. The time in
// the same datagram is what Type=notify-reload tells reloads apart by; older
// versions of systemd ignore it.
func Reloading() error {
	return notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// Stopping says that the daemon ends on its own account or on a signal.
func Stopping() error { return notify(daemon.SdNotifyStopping) }

// Status sets the one line that systemctl status shows.
func Status(text string) error {
	return notify("STATUS=" + strings.ReplaceAll(text, "\n", " "))
}

func notify(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("systemd: notify: %w", err)
	}
	return nil
}

// Watchdog tells the service manager that the daemon is alive, twice in each
// WatchdogSec=, as long as probe returns nil. It blocks until ctx ends and
// returns nil then, or at once where no watchdog is asked for; an error means
// that the service manager asked for one that makes no sense.
//
// probe is to go the way of a client (accept loops, database) and gets a
// quarter of WatchdogSec=. When it fails or never returns no beat is sent, and
// in the end systemd kills the daemon and starts it again. probe is called
// from the goroutine that called Watchdog.
func Watchdog(ctx context.Context, log *slog.Logger, probe func(context.Context) error) error {
	limit, err := daemon.SdWatchdogEnabled(true)
	if err != nil {
		return fmt.Errorf("systemd: watchdog: %w", err)
	}
	if limit == 0 {
		return nil
	}
	watch(ctx, log, limit, probe, func() error { return notify(daemon.SdNotifyWatchdog) })
	return nil
}

func watch(ctx context.Context, log *slog.Logger, limit time.Duration, probe func(context.Context) error, beat func() error) {
	tick := time.NewTicker(limit / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := probeWithin(ctx, limit/4, probe)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = beat()
		}
		if err != nil {
			log.Error("watchdog beat withheld", "err", err)
		}
	}
}

func probeWithin(ctx context.Context, limit time.Duration, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return probe(ctx)
}
