package tlsutil

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The files in the directory of an authority. The server's key and certificate
// share one, so that no crash can leave one without the other.
const (
	caKeyFile  = "ca.key"     // 0600
	caFile     = "ca.pem"     // 0644: it is there to be given away
	serverFile = "server.pem" // 0600: key, certificate, the authority's certificate
)

const (
	authorityYears = 10
	serverLife     = 90 * 24 * time.Hour
	// For clients whose clocks are slow.
	backdate = time.Hour
	// A renewal has a third of serverLife to succeed. Rather than one long
	// timer there are many short ones, since timers stand still while the
	// machine sleeps and know nothing of a clock that is set.
	checkEvery = time.Hour
)

// Own is a certificate authority of the server's own, kept in a directory,
// with one server certificate that it renews while a third of its life is left.
type Own struct {
	dir       string
	log       *slog.Logger
	authority tls.Certificate // never changes
	served    atomic.Pointer[tls.Certificate]

	mu    sync.Mutex // held while renewing
	names []string   // what the certificate is to be valid for
	tried time.Time  // of the last renewal; zero if none was due
	err   error      // its
}

// OpenOwn opens the authority in dir, or makes one if dir holds nothing of it,
// and sees to a server certificate for the given names, the machine's name,
// localhost, 127.0.0.1 and ::1.
//
// Only one process at a time may have dir open: the lock on the state directory
// sees to that. A crash or a power cut at any moment leaves what the next
// OpenOwn mends. A lost key of the authority is an error and never replaced,
// since every client would have to be given the new authority. If only the
// renewal fails, the certificate that is there is served, and Run tries again.
func OpenOwn(dir string, names []string, log *slog.Logger) (*Own, error) {
	names, err := ownNames(names)
	if err != nil {
		return nil, err
	}
	o := &Own{dir: dir, log: log, names: names}
	if err := MakeDir(dir); err != nil {
		return nil, fmt.Errorf("tlsutil: %w", err)
	}
	if err := tighten(dir, log); err != nil {
		return nil, fmt.Errorf("tlsutil: %w", err)
	}
	if err := o.openAuthority(); err != nil {
		return nil, err
	}
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

// Authority returns the certificate that clients are to trust.
func (o *Own) Authority() *x509.Certificate { return o.authority.Leaf }

// CAFile is the name of the PEM file that holds it.
func (o *Own) CAFile() string { return filepath.Join(o.dir, caFile) }

// Pool trusts this authority and no other.
func (o *Own) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(o.authority.Leaf)
	return pool
}

// openAuthority loads the authority's key and certificate. What is missing is
// made in this order: the key, its certificate, then server.pem. So a file
// without the one before it means a loss, not a crash.
func (o *Own) openAuthority() error {
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		return fmt.Errorf("tlsutil: %w", err)
	}
	// By name, and not by whether it can be read: a link to a disk that isn't
	// mounted must not be taken for a first start.
	has := make(map[string]bool)
	for _, entry := range entries {
		has[entry.Name()] = true
	}
	lost := func(err error) error {
		return fmt.Errorf("tlsutil: the certificate authority in %s can't be used: %w; "+
			"restore %s and %s from a backup, or move the directory away to get a new authority, which every client must then be given",
			o.dir, err, caKeyFile, caFile)
	}
	switch {
	case has[serverFile] && !has[caFile]:
		return lost(errors.New(caFile + " is missing"))
	case has[caFile] && !has[caKeyFile]:
		return lost(errors.New(caKeyFile + " is missing"))
	case !has[caKeyFile]:
		_, keyPEM, err := newKey()
		if err != nil {
			return err
		}
		if err := WriteFile(o.dir, caKeyFile, keyPEM, 0o600); err != nil {
			return fmt.Errorf("tlsutil: %w", err)
		}
	}
	keyFile := filepath.Join(o.dir, caKeyFile)
	if err := tighten(keyFile, o.log); err != nil {
		return lost(err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return lost(err)
	}
	if !has[caFile] {
		if err := o.makeAuthority(keyPEM); err != nil {
			return lost(err)
		}
	}
	certPEM, err := os.ReadFile(o.CAFile())
	if err != nil {
		return lost(err)
	}
	if o.authority, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		return lost(fmt.Errorf("certificate %s, key %s: %w", caFile, caKeyFile, err))
	}
	if !o.authority.Leaf.IsCA {
		return lost(errors.New(caFile + " is not the certificate of an authority"))
	}
	return nil
}

// makeAuthority writes ca.pem for a key that has none yet.
func (o *Own) makeAuthority(keyPEM []byte) error {
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return errors.New(caKeyFile + " is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("%s: %w", caKeyFile, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return errors.New(caKeyFile + " can't sign")
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName("posko authority of "+o.names[0], "posko authority")},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.AddDate(authorityYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true, // it signs no other authorities
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		return err
	}
	if err := WriteFile(o.dir, caFile, encode("CERTIFICATE", der), 0o644); err != nil {
		return err
	}
	o.log.Info("a certificate authority has been made; clients are to trust its certificate",
		"file", o.CAFile(), "sha256", Fingerprint(&x509.Certificate{Raw: der}))
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
	data, err := o.issue(names)
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

// issue returns what is to stand in server.pem. The chain holds the authority
// too, so that a client which only knows its fingerprint can check that.
func (o *Own) issue(names []string) ([]byte, error) {
	ca := o.authority.Leaf
	now := time.Now()
	if now.Before(ca.NotBefore) || ca.NotAfter.Sub(now) < serverLife/3 {
		return nil, fmt.Errorf("tlsutil: the certificate authority in %s, valid from %s to %s, can't sign now: "+
			"set the clock, or move the directory away to get a new authority, which every client must then be given",
			o.dir, ca.NotBefore.Format(time.DateOnly), ca.NotAfter.Format(time.DateOnly))
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName(names[0], "posko")},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(serverLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if template.NotAfter.After(ca.NotAfter) {
		template.NotAfter = ca.NotAfter
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), o.authority.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("tlsutil: %w", err)
	}
	return slices.Concat(keyPEM, encode("CERTIFICATE", der), encode("CERTIFICATE", ca.Raw)), nil
}

// commonName returns name, or the other one if it is longer than X.509 allows
// (RFC 5280, ub-common-name).
func commonName(name, short string) string {
	if len(name) > 64 {
		return short
	}
	return name
}

func newKey() (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("tlsutil: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("tlsutil: %w", err)
	}
	return key, encode("PRIVATE KEY", der), nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
