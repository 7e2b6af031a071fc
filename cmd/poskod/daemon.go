package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"posko"
	"posko/server"
	"posko/server/admin"
	"posko/server/store"
	"posko/systemd"
)

// statusEvery is how often the line that systemctl status shows is renewed.
const statusEvery = 10 * time.Second

// errAtOnce ends the daemon without the work that was under way.
var errAtOnce = errors.New("ended at once, on a second signal")

// A daemon serves. Apart from fail and describe its methods belong to the
// goroutine that called start.
type daemon struct {
	program      *program
	settings     // in use
	level        *slog.LevelVar
	log          *slog.Logger
	store        *store.Store
	certificates *certificates
	server       *server.Server
	listeners    listeners
	failed       chan error            // the state can't be trusted any more
	refused      atomic.Pointer[error] // what the last reload was refused with
}

// fail hears from the server that the state can't be trusted any more.
func (d *daemon) fail(err error) { d.failed <- err }

// describe tells the operator what the server itself doesn't know.
func (d *daemon) describe(st *admin.Status) {
	st.Certificates = d.certificates.describe()
	if err := d.refused.Load(); err != nil {
		st.Reload = *err
	}
}

// run serves until a signal or a failure ends the daemon.
func (d *daemon) run(signals <-chan os.Signal) error {
	served := make(chan error, 1)
	go func() { served <- d.server.Serve(d.listeners) }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go d.watch(ctx)
	d.tell(systemd.Ready())
	d.log.Info("serving", "version", posko.Version, "state", d.dir, "admin", d.socket)
	d.showStatus()
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.showStatus()
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				d.reload()
				continue
			}
			d.log.Info("stopping", "signal", sig)
			return d.stop(signals)
		case err := <-served:
			d.log.Error("a listener broke; stopping", "err", err)
			return errors.Join(err, d.stop(signals))
		case err := <-d.failed:
			d.log.Error("the state can't be trusted any more; stopping", "err", err)
			return errors.Join(err, d.stop(signals))
		}
	}
}

// reload reads the configuration again and applies what may change while the
// daemon runs. A bad one changes nothing.
func (d *daemon) reload() {
	d.tell(systemd.Reloading())
	if err := d.apply(); err != nil {
		d.refused.Store(&err)
		for complaint := range strings.SplitSeq(err.Error(), "\n") {
			d.log.Error("reload refused, nothing has changed", "err", complaint)
		}
	} else {
		d.refused.Store(nil)
		d.log.Info("configuration reloaded")
	}
	d.tell(systemd.Ready())
	d.showStatus()
}

func (d *daemon) apply() error {
	next, err := d.program.load()
	if err != nil {
		return err
	}
	if err := d.certificates.use(next.TLS); err != nil {
		return err
	}
	restart, err := d.server.Reload(next.Config)
	if err != nil {
		return err
	}
	if len(restart) > 0 {
		d.log.Warn("settings that differ from those in use until the next start", "settings", restart)
	}
	d.level.Set(next.Log.Level)
	d.Config = next.Config
	return nil
}

// stop ends what is under way within the grace and closes everything.
func (d *daemon) stop(signals <-chan os.Signal) error {
	d.tell(systemd.Stopping())
	// A context of its own: there is grace whatever has ended.
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(d.Limits.ShutdownGrace))
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- d.server.Shutdown(ctx) }()
	for {
		select {
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				continue
			}
			d.log.Warn("ending at once", "signal", sig)
			return errAtOnce
		case err := <-ended:
			if err != nil {
				d.log.Warn("commands and transfers were cut off at the end of the grace")
			}
			d.certificates.close()
			err = d.store.Close()
			d.log.Info("stopped")
			return err
		}
	}
}

// watch keeps systemd's watchdog quiet as long as the way of a client works:
// accepting, the hub, the database.
func (d *daemon) watch(ctx context.Context) {
	err := systemd.Watchdog(ctx, d.log, func(ctx context.Context) error {
		if err := d.server.Check(ctx); err != nil {
			return err
		}
		client, nc, err := reach(d.socket)
		if err != nil {
			return err
		}
		defer nc.Close()
		stop := context.AfterFunc(ctx, func() { nc.Close() })
		defer stop()
		_, err = command(client, "STATUS")
		return err
	})
	if err != nil {
		d.log.Error("no watchdog", "err", err)
	}
}

// showStatus renews the line that systemctl status shows.
func (d *daemon) showStatus() {
	st := d.server.Status()
	text := fmt.Sprintf("%d chat and %d file connections, %d accounts online, files: %.1f MiB received, %.1f MiB sent",
		st.Connections[server.ProtocolChat], st.Connections[server.ProtocolFiles], st.Online, mib(st.Received), mib(st.Sent))
	for _, certificate := range inShort(st.Certificates) {
		text += ", " + certificate
	}
	if st.Reload != nil {
		text += "; the last reload was refused, see the log"
	}
	d.tell(systemd.Status(text))
}

// inShort tells of each certificate in a few words.
func inShort(certificates []admin.Certificate) []string {
	var all []string
	for _, c := range certificates {
		var text string
		switch {
		case c.Trouble != "":
			text = "CERTIFICATE " + strings.Join(c.Names, " ") + ": " + c.Trouble + ", see \"poskod cert\""
		case c.NotAfter.IsZero():
			text = "certificate not there yet"
		default:
			text = fmt.Sprintf("certificate for %d days", c.Days(time.Now()))
		}
		if c.Waiting != "" {
			text += ", waiting for " + c.Waiting
		}
		if c.NotAfter.IsZero() && c.Err != nil {
			text += ", last error: " + c.Err.Error()
		}
		all = append(all, text)
	}
	return all
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// tell notes that systemd could not be told something. The daemon serves on.
func (d *daemon) tell(err error) {
	if err != nil {
		d.log.Error("systemd was not told", "err", err)
	}
}
