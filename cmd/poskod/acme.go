package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"posko/server"
	"posko/systemd"
	"posko/tlsutil"
	"posko/tlsutil/acme"
)

func (p *program) acmeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "acme", Short: "get certificates from an authority, and renew them",
		Long: `Does what tls.mode = "acme" asks for beside a daemon that has no network, that is
"poskod serve --no-acme": gets certificates, renews them, and answers the
authority when it asks whether a name is this server's. It stays in the
foreground until SIGTERM or SIGINT; SIGHUP reads the configuration again, and
tries again at once what has failed. In another mode it does nothing.

It sees no account, message, file or key of posko's own authority. With the
daemon it shares one directory, from which the daemon takes the certificates.
Listeners that systemd hands over take the place of tls.acme.http_listen and
tls.acme.tlsalpn_listen.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return p.acme() },
	}
}

func (p *program) acme() error {
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
	dir := server.ACMEDir(s.path, s.dir)
	if err := becomeOwner(dir); err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(s.Log.Level)
	log := newLog(s.Log.Format, level)
	slog.SetDefault(log) // of the libraries that ask for none
	answering, err := listenACME(s.TLS, handed)
	if err != nil {
		return err
	}
	listeners(handed).close() // what else there is
	r := answer(dir, answering, log)
	defer r.close()
	if err := r.use(s.TLS); err != nil {
		return err
	}
	tell := func(err error) {
		if err != nil {
			log.Error("systemd was not told", "err", err)
		}
	}
	// The watchdog hears from the loop below that it turns.
	turns := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		tell(systemd.Watchdog(ctx, log, func(ctx context.Context) error {
			select {
			case <-turns:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}))
	})
	defer watching.Wait()
	defer cancel()
	tell(systemd.Ready())
	log.Info("getting certificates", "mode", s.TLS.Mode, "directory", dir)
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		tell(systemd.Status(r.status(s.TLS)))
		select {
		case <-tick.C:
		case turns <- struct{}{}:
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				log.Info("stopping", "signal", sig)
				tell(systemd.Stopping())
				return nil
			}
			tell(systemd.Reloading())
			next, err := p.load()
			if err == nil {
				err = r.use(next.TLS)
			}
			if err != nil {
				log.Error("reload refused, nothing has changed", "err", err)
			} else {
				s = next
				level.Set(s.Log.Level)
				log.Info("configuration reloaded", "mode", s.TLS.Mode)
			}
			tell(systemd.Ready())
		}
	}
}

// The names of the sockets for challenges, in systemd's units.
var acmeSockets = []string{systemd.ACMEHTTPSocket, systemd.ACMEALPNSocket}

// listenACME returns the listeners for challenges: it takes them out of what
// systemd handed over, if it did, or else opens the configured ones.
func listenACME(c server.TLS, handed listeners) (listeners, error) {
	if handed != nil {
		taken := listeners{}
		for _, name := range acmeSockets {
			taken[name] = handed[name]
			delete(handed, name)
		}
		return taken, nil
	}
	if c.Mode != server.ModeACME || c.ACME.DNSHook != "" {
		return nil, nil
	}
	bound, err := bind(map[string][]string{
		systemd.ACMEHTTPSocket: c.ACME.HTTPListen, systemd.ACMEALPNSocket: c.ACME.TLSALPNListen,
	})
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w\nthe authority's questions come in there: enable poskod-acme-http.socket, or set tls.acme.http_listen to a port that 80 is forwarded to", err)
	}
	return bound, err
}

// A renewer gets certificates as the configuration says and answers challenges.
// Its methods belong to one goroutine.
type renewer struct {
	dir        string // shared with who serves
	log        *slog.Logger
	http, alpn net.Addr // where challenges are answered; nil for nowhere
	challenges *acme.Challenges
	stop       func() // ends the current Obtainer's Run
}

// answer takes over the listeners. Nothing is got before use says what.
func answer(dir string, ls listeners, log *slog.Logger) *renewer {
	http, alpn := ls[systemd.ACMEHTTPSocket], ls[systemd.ACMEALPNSocket]
	return &renewer{
		dir: dir, log: log, http: first(http), alpn: first(alpn),
		challenges: acme.Answer(http, alpn, log), stop: func() {},
	}
}

func first(ls []net.Listener) net.Addr {
	if len(ls) == 0 {
		return nil
	}
	return ls[0].Addr()
}

// use does what the configuration says. On an error nothing has changed.
func (r *renewer) use(c server.TLS) error {
	if c.Mode != server.ModeACME {
		r.stop()
		r.stop = func() {}
		r.challenges.Use(nil)
		return nil
	}
	o, err := r.options(c)
	if err != nil {
		return err
	}
	next, err := acme.New(o)
	if err != nil {
		return allowed(err)
	}
	r.stop()
	r.challenges.Use(next)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		next.Run(ctx)
	}()
	r.stop = func() {
		cancel()
		<-ended
	}
	return nil
}

func (r *renewer) options(c server.TLS) (acme.Options, error) {
	o := acme.Options{
		Dir: r.dir, Email: c.ACME.Email, CA: c.ACME.CA, ExternalID: c.ACME.EABKeyID,
		HTTP: r.http, TLSALPN: r.alpn, Hook: c.ACME.DNSHook, Log: r.log,
	}
	if r.http == nil && r.alpn == nil && c.ACME.DNSHook == "" {
		return o, errors.New("tls.acme: nothing listens for the authority's questions: " +
			"enable poskod-acme-http.socket, or see to tls.acme.http_listen, and restart")
	}
	var err error
	if o.Names, err = tlsutil.ParseNames(c.Names); err != nil {
		return o, err
	}
	if o.Roots, err = rootsOf(c.ACME.CARoot); err != nil {
		return o, err
	}
	if c.ACME.EABKeyFile != "" {
		o.ExternalKey, err = readSecret(c.ACME.EABKeyFile)
	}
	return o, err
}

// rootsOf reads the certificates in a file, nil for none.
func rootsOf(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("tls.acme.ca_root: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("tls.acme.ca_root: %s holds no certificate in PEM", file)
	}
	return pool, nil
}

// findSecret finds a file that not everybody can read, or a credential.
func findSecret(file string) (string, error) {
	path, err := findFile(file)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("tls.acme.eab_key_file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return "", fmt.Errorf("tls.acme.eab_key_file: %s has mode %04o, but must be 0640 or stricter", path, mode)
	}
	return path, nil
}

// readSecret reads the one line of such a file.
func readSecret(file string) (string, error) {
	path, err := findSecret(file)
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("tls.acme.eab_key_file: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// status is the line that systemctl status shows.
func (r *renewer) status(c server.TLS) string {
	if c.Mode != server.ModeACME {
		return fmt.Sprintf("nothing to do: tls.mode is %q", c.Mode)
	}
	states, err := readACME(r.dir, c)
	if err != nil {
		return err.Error()
	}
	return strings.Join(inShort(describe(states)), "; ")
}

// readACME tells of the certificates that are in the directory.
func readACME(dir string, c server.TLS) ([]tlsutil.State, error) {
	names, err := tlsutil.ParseNames(c.Names)
	if err != nil {
		return nil, err
	}
	return acme.Open(acme.SourceOptions{Dir: dir, Names: names, Alone: true, Log: slog.New(slog.DiscardHandler)}).State(), nil
}

func (r *renewer) close() {
	r.stop()
	r.challenges.Close()
}
