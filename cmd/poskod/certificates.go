package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"posko/server"
	"posko/server/account"
	"posko/server/admin"
	"posko/tlsutil"
	"posko/tlsutil/acme"
)

// certificates is the source of certificates that the configuration asks for. A
// reload may put another one in its place. All but openCertificates and close
// may be called from any goroutine.
type certificates struct {
	dir     string // of the authority
	acmeDir string
	renewer *renewer // nil if another process gets certificates by ACME
	log     *slog.Logger
	current atomic.Pointer[tlsutil.Source]
	stop    func() // ends the current one's Run

	mu  sync.Mutex
	own *tlsutil.Authority // nil until it is asked for

	changing sync.Mutex // held while use or RenewCA is at work
	inUse    atomic.Pointer[server.TLS]
	clients  atomic.Pointer[tlsutil.Clients]
}

// openCertificates takes over the renewer, which is nil if another process gets
// certificates by ACME.
func openCertificates(s settings, r *renewer, log *slog.Logger) (*certificates, error) {
	cs := newCertificates(s, log)
	cs.renewer = r
	if err := cs.use(s.TLS); err != nil {
		cs.close()
		return nil, err
	}
	return cs, nil
}

// newCertificates serve nothing yet. The authority can be used already.
func newCertificates(s settings, log *slog.Logger) *certificates {
	cs := &certificates{
		dir: ownDir(s.dir), acmeDir: server.ACMEDir(s.path, s.dir),
		log: log, stop: func() {},
	}
	cs.inUse.Store(&s.TLS)
	return cs
}

// use does what the configuration says. On an error nothing has changed.
func (cs *certificates) use(c server.TLS) error {
	cs.changing.Lock()
	defer cs.changing.Unlock()
	clients, err := cs.demand(c)
	if err != nil {
		return err
	}
	if err := cs.provide(c); err != nil {
		return err
	}
	cs.inUse.Store(&c)
	cs.clients.Store(clients)
	return nil
}

// demand returns what is demanded of clients, nil for nothing.
func (cs *certificates) demand(c server.TLS) (clients *tlsutil.Clients, err error) {
	if c.ClientAuth == server.ClientAuthOff {
		return nil, nil
	}
	clients = &tlsutil.Clients{Required: c.ClientAuth == server.ClientAuthRequired}
	if c.ClientCA != "" {
		clients.CAs, err = tlsutil.ReadCAs(c.ClientCA)
		return clients, err
	}
	own, err := cs.authority(c.Names)
	if err != nil {
		return nil, err
	}
	clients.CAs = own.Pool()
	return clients, nil
}

// shown is what a client has shown, in the terms of accounts.
func (cs *certificates) shown(state tls.ConnectionState) (c account.Certificate) {
	if len(state.VerifiedChains) == 0 {
		return c
	}
	c.Fingerprint = tlsutil.Fingerprint(state.PeerCertificates[0])
	cs.mu.Lock()
	own := cs.own
	cs.mu.Unlock()
	if own != nil {
		c.Name, c.Issued, _ = own.Subject(state)
	}
	return c
}

// provide serves the certificates that the configuration says.
func (cs *certificates) provide(c server.TLS) error {
	switch now := cs.source().(type) {
	case *tlsutil.Own:
		if c.Mode == server.ModeOwn {
			return now.SetNames(c.Names)
		}
	case *tlsutil.Files:
		if c.Mode == server.ModeFiles {
			pairs, err := pairsOf(c)
			if err != nil {
				return err
			}
			return now.Reload(pairs)
		}
	}
	next, err := cs.open(c)
	if err != nil {
		return err
	}
	if cs.renewer != nil {
		if err := cs.renewer.use(c); err != nil {
			return err
		}
	}
	cs.stop()
	cs.current.Store(&next)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { next.Run(ctx) })
	running.Go(func() { tlsutil.Warn(ctx, next, cs.log) })
	cs.stop = func() {
		cancel()
		running.Wait()
	}
	return nil
}

func (cs *certificates) open(c server.TLS) (tlsutil.Source, error) {
	switch c.Mode {
	case server.ModeFiles:
		pairs, err := pairsOf(c)
		if err != nil {
			return nil, err
		}
		return tlsutil.OpenFiles(pairs, cs.log)
	case server.ModeACME:
		return cs.openACME(c)
	}
	own, err := cs.authority(c.Names)
	if err != nil {
		return nil, err
	}
	return own.Serve(c.Names)
}

// authority opens the authority, or makes it, once somebody needs it.
func (cs *certificates) authority(names []string) (own *tlsutil.Authority, err error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.own == nil {
		cs.own, err = tlsutil.OpenAuthority(cs.dir, names, cs.log)
	}
	return cs.own, err
}

func (cs *certificates) openACME(c server.TLS) (tlsutil.Source, error) {
	names, err := tlsutil.ParseNames(c.Names)
	if err != nil {
		return nil, err
	}
	o := acme.SourceOptions{Dir: cs.acmeDir, Names: names, Alone: cs.renewer == nil, Log: cs.log}
	if c.ACME.OwnUntilIssued {
		own, err := cs.authority(c.Names)
		if err != nil {
			return nil, err
		}
		if o.Fallback, err = own.Serve(c.Names); err != nil {
			return nil, err
		}
	}
	return acme.Open(o), nil
}

// source is the current one, nil before the first.
func (cs *certificates) source() tlsutil.Source {
	if s := cs.current.Load(); s != nil {
		return *s
	}
	return nil
}

// config is the TLS configuration of the protocol that ALPN calls so.
func (cs *certificates) config(alpn string) *tls.Config {
	return tlsutil.ConfigWithClients(cs, alpn, cs.clients.Load)
}

// GetCertificate, State and Run make cs a tlsutil.Source.

func (cs *certificates) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return cs.source().GetCertificate(hello)
}

func (cs *certificates) State() []tlsutil.State { return cs.source().State() }

// Run does nothing: use runs what cs stands for.
func (cs *certificates) Run(context.Context) {}

func (cs *certificates) close() {
	cs.stop()
	if cs.renewer != nil {
		cs.renewer.close()
	}
}

// CA, RenewCA, IssueServer and IssueClient make cs an admin.Authority.

func (cs *certificates) CA() (pem []byte, fingerprint string, err error) {
	own, err := cs.authority(cs.inUse.Load().Names)
	if err != nil {
		return nil, "", err
	}
	return own.PEM(), tlsutil.Fingerprint(own.Certificate()), nil
}

func (cs *certificates) RenewCA() error {
	cs.changing.Lock()
	defer cs.changing.Unlock()
	c := *cs.inUse.Load()
	own, err := cs.authority(c.Names)
	if err != nil {
		return err
	}
	source := cs.source()
	if meantime, ok := source.(*acme.Source); ok {
		source = meantime.Fallback()
	}
	if serving, ok := source.(*tlsutil.Own); ok {
		err = serving.RenewAuthority()
	} else {
		err = own.Renew(c.Names)
	}
	clients, failed := cs.demand(c)
	if failed == nil {
		cs.clients.Store(clients)
	}
	return errors.Join(err, failed)
}

func (cs *certificates) IssueServer(names []string) ([]byte, error) {
	return cs.issue(tlsutil.ForServer, names)
}

func (cs *certificates) IssueClient(name string) ([]byte, error) {
	return cs.issue(tlsutil.ForClient, []string{name})
}

func (cs *certificates) issue(purpose tlsutil.Purpose, names []string) ([]byte, error) {
	own, err := cs.authority(cs.inUse.Load().Names)
	if err != nil {
		return nil, err
	}
	return own.Issue(purpose, names)
}

// describe tells the operator about the certificates.
func (cs *certificates) describe() []admin.Certificate { return describe(cs.State()) }

func describe(states []tlsutil.State) []admin.Certificate {
	var all []admin.Certificate
	for _, s := range states {
		all = append(all, admin.Certificate{
			Names: s.Names, Source: s.Source, Issuer: s.Issuer, NotAfter: s.NotAfter,
			Tried: s.Tried, Err: s.Err, Waiting: s.Waiting,
			Trouble: s.Trouble(time.Now()), Next: s.Next,
		})
	}
	return all
}

// inspect tells about the certificates that the daemon would serve, while it is
// down. It changes nothing.
func inspect(s settings) []admin.Certificate {
	states, err := look(s)
	if err != nil {
		states = []tlsutil.State{{
			Names: s.TLS.Names, Source: "tls.mode " + s.TLS.Mode, Err: err,
			Next: "mend what the error says, then start poskod",
		}}
	}
	return describe(states)
}

func look(s settings) ([]tlsutil.State, error) {
	switch s.TLS.Mode {
	case server.ModeOwn:
		own, err := tlsutil.ReadOwn(ownDir(s.dir), s.TLS.Names)
		return []tlsutil.State{own}, err
	case server.ModeACME:
		return readACME(server.ACMEDir(s.path, s.dir), s.TLS)
	}
	pairs, err := pairsOf(s.TLS)
	if err != nil {
		return nil, err
	}
	files, err := tlsutil.OpenFiles(pairs, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return files.State(), nil
}

func ownDir(stateDir string) string { return filepath.Join(stateDir, "tls", "own") }

// errNoCredentials keeps files from being found by anybody but the daemon.
var errNoCredentials = errors.New("$CREDENTIALS_DIRECTORY is not set: only the unit that systemd gives credentials (LoadCredential=) can read them")

// pairsOf finds the files of mode "files".
func pairsOf(c server.TLS) ([]tlsutil.Pair, error) {
	var pairs []tlsutil.Pair
	for i := range c.Cert {
		cert, err := findFile(c.Cert[i])
		if err != nil {
			return nil, err
		}
		key, err := findFile(c.Key[i])
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, tlsutil.Pair{Cert: cert, Key: key})
	}
	return pairs, nil
}

// findFile is where a configured path leads, which may be a credential.
func findFile(path string) (string, error) {
	name, ok := server.Credential(path)
	if !ok {
		return path, nil
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", errNoCredentials
	}
	return filepath.Join(dir, name), nil
}
