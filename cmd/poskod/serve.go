package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"posko/server"
	"posko/server/store"
	"posko/systemd"
)

func (p *program) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "serve, in the foreground",
		Long: `Serves until SIGTERM or SIGINT, which lets running commands and transfers end
first; a second one ends the daemon at once. SIGHUP reads the configuration
again: a bad one is logged and changes nothing.

Listeners that systemd hands over take the place of the configured addresses.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.serve(cmd) },
	}
	cmd.Flags().BoolVar(&p.noACME, "no-acme", false,
		"leave it to \"poskod acme\" to get the certificates of tls.mode = \"acme\"")
	return cmd
}

func (p *program) serve(cmd *cobra.Command) error {
	// From here on a signal waits until the daemon can heed it.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	handed, err := systemd.Listeners()
	if err != nil {
		return err
	}
	s, err := p.load()
	if err != nil {
		return err
	}
	if err := becomeOwner(s.dir); err != nil {
		return err
	}
	d, err := start(cmd.Context(), p, s, handed)
	if err != nil {
		return allowed(err)
	}
	if !underSystemd() {
		d.hints(cmd.OutOrStdout())
	}
	return d.run(signals)
}

func underSystemd() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

// start opens everything that the daemon is made of, or nothing.
func start(ctx context.Context, p *program, s settings, handed listeners) (_ *daemon, err error) {
	d := &daemon{program: p, settings: s, level: new(slog.LevelVar), failed: make(chan error, 1)}
	d.level.Set(s.Log.Level)
	d.log = newLog(s.Log.Format, d.level)
	slog.SetDefault(d.log) // of the libraries that ask for none
	var open []func()
	defer func() {
		if err != nil {
			for _, undo := range open {
				defer undo()
			}
		}
	}()
	if d.store, err = store.Open(ctx, s.dir, store.Options{Log: d.log, Prepare: server.FinishRestore}); err != nil {
		return nil, err
	}
	open = append(open, func() { d.store.Close() })
	var r *renewer
	if !p.noACME {
		answering, err := listenACME(s.TLS, handed)
		if err != nil {
			return nil, err
		}
		r = answer(server.ACMEDir(s.path, s.dir), answering, d.log)
	}
	if d.certificates, err = openCertificates(s, r, d.log); err != nil {
		return nil, err
	}
	open = append(open, d.certificates.close)
	d.server, err = server.New(ctx, server.Options{
		Config: s.Config, Dir: s.dir, Accounts: d.store.Accounts(), Hub: d.store, Files: d.store,
		TLS: d.certificates.config, Log: d.log, Fail: d.fail, Ping: d.store.Ping, Describe: d.describe,
		Authority: d.certificates, Certificate: d.certificates.shown,
	})
	if err != nil {
		return nil, err
	}
	open = append(open, func() { d.server.Shutdown(ctx) })
	if err := d.server.OpenXferlog(); err != nil {
		return nil, err
	}
	if d.listeners, err = listen(s.Listen, handed, d.log); err != nil {
		return nil, err
	}
	open = append(open, d.listeners.close)
	operator, err := listenAdmin(s.socket)
	if err != nil {
		return nil, fmt.Errorf("the operator's socket: %w", err)
	}
	d.listeners[server.ProtocolAdmin] = append(d.listeners[server.ProtocolAdmin], operator)
	return d, nil
}
