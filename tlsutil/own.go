package tlsutil

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A renewal has a third of serverLife to succeed. Rather than one long timer
// there are many short ones, since timers stand still while the machine sleeps
// and know nothing of a clock that is set.
const checkEvery = time.Hour

// Own is the server certificate of an authority of the server's own, beside
// which it is kept. It is renewed while a third of its life is left.
type Own struct {
	*Authority
	served atomic.Pointer[tls.Certificate]

	mu    sync.Mutex // held while renewing
	names []string   // what the certificate is to be valid for
	tried time.Time  // of the last renewal; zero if none was due
	err   error      // its
}

// OpenOwn is OpenAuthority and then Serve.
func OpenOwn(dir string, names []string, log *slog.Logger) (*Own, error) {
	a, err := OpenAuthority(dir, names, log)
	if err != nil {
		return nil, err
	}
	return a.Serve(names)
}

// Serve sees to a server certificate for the given names, the machine's name,
// localhost, 127.0.0.1 and ::1. If only the renewal fails, the certificate that
// is there is served, and Run tries again.
func (a *Authority) Serve(names []string) (*Own, error) {
	names, err := ownNames(names)
	if err != nil {
		return nil, err
	}
	o := &Own{Authority: a, names: names}
	o.openServer()
	if o.served.Load() != nil {
		o.check()
		return o, nil
	}
	if err := o.renew(names); err != nil {
		return nil, err
	}
	return o, nil
}

func ownNames(names []string) ([]string, error) {
	names, err := ParseNames(names)
	if err != nil {
		return nil, err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("tlsutil: %w", err)
	}
	return withLocal(names, hostname), nil
}

// GetCertificate implements Source.
func (o *Own) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return o.served.Load(), nil
}

// State implements Source.
func (o *Own) State() []State {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := stateOf(o.served.Load().Leaf)
	s.Source, s.Tried, s.Err = ownSource(o.dir), o.tried, o.err
	if s.Tried.IsZero() { // by an earlier process
		s.Tried = s.NotBefore.Add(backdate)
	}
	if s.Err != nil {
		s.Next = "mend what the last try failed for; it is tried again every hour, and on \"systemctl reload poskod\""
	}
	return []State{s}
}

func ownSource(dir string) string { return "own authority in " + dir }

// ReadOwn tells of the certificate that OpenOwn would serve from dir, and
// changes nothing.
func ReadOwn(dir string, names []string) (State, error) {
	s := State{Source: ownSource(dir)}
	names, err := ownNames(names)
	if err != nil {
		return State{}, err
	}
	data, err := os.ReadFile(filepath.Join(dir, serverFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.Names, s.Waiting = names, "the next start of poskod, which makes it"
		return s, nil
	case err != nil:
		return State{}, fmt.Errorf("tlsutil: %w", err)
	}
	cert, err := tls.X509KeyPair(data, data)
	if err != nil {
		s.Names, s.Err, s.Waiting = names, err, "the next start of poskod, which replaces it"
		return s, nil
	}
	s = stateOf(cert.Leaf)
	s.Source, s.Tried = ownSource(dir), s.NotBefore.Add(backdate)
	return s, nil
}

// Run implements Source: it renews, or tries again what has failed.
func (o *Own) Run(ctx context.Context) {
	every(ctx, checkEvery, o.check)
}

func (o *Own) check() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = o.renew(o.names)
	if o.err != nil {
		o.log.Error("the server certificate could not be renewed; this is tried again every hour", "err", o.err)
	}
}

// SetNames replaces the names given to OpenOwn. When it returns nil, new
// handshakes get a certificate for the new names; on an error nothing has
// changed. Connections that are open don't notice.
func (o *Own) SetNames(names []string) error {
	names, err := ownNames(names)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.renew(names); err != nil {
		return err
	}
	o.names, o.err = names, nil
	return nil
}

// openServer serves what an earlier run has left. Whether it is still good
// enough, due says.
func (o *Own) openServer() {
	file := filepath.Join(o.dir, serverFile)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = tighten(file, o.log)
	}
	var cert tls.Certificate
	if err == nil {
		cert, err = tls.X509KeyPair(data, data)
	}
	if err != nil {
		o.log.Warn("the server certificate can't be read and will be replaced", "file", file, "err", err)
		return
	}
	o.served.Store(&cert)
}

// due says why a new server certificate for these names is needed, or "".
func (o *Own) due(names []string) string {
	cert := o.served.Load()
	if cert == nil {
		return "there is none"
	}
	leaf := cert.Leaf
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: o.Pool()}); err != nil {
		return err.Error()
	}
	sorted := func(s []string) []string { return slices.Sorted(slices.Values(s)) }
	if !slices.Equal(sorted(certNames(leaf)), sorted(names)) {
		return "the names have changed"
	}
	if time.Until(leaf.NotAfter) < leaf.NotAfter.Sub(leaf.NotBefore)/3 {
		return "it ends soon"
	}
	return ""
}

// renew serves a new certificate if it is due. On an error the old one stays.
// The caller holds mu, or nobody else knows of o yet.
func (o *Own) renew(names []string) error {
	why := o.due(names)
	if why == "" {
		return nil
	}
	o.tried = time.Now()
	data, err := o.Issue(ForServer, names)
	if err != nil {
		return err
	}
	cert, err := tls.X509KeyPair(data, data)
	if err != nil {
		return fmt.Errorf("tlsutil: %w", err)
	}
	if err := WriteFile(o.dir, serverFile, data, 0o600); err != nil {
		return fmt.Errorf("tlsutil: %w", err)
	}
	o.served.Store(&cert)
	o.log.Info("a server certificate has been issued", "why", why, "names", names, "not_after", cert.Leaf.NotAfter)
	return nil
}

// RenewAuthority replaces the authority, as Renew does, and at once the server
// certificate, which the old one has signed.
func (o *Own) RenewAuthority() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.Authority.Renew(o.names); err != nil {
		return err
	}
	o.err = o.renew(o.names)
	return o.err
}
