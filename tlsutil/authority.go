package tlsutil

import (
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
	nextFile   = "ca.next"    // 0600: key and certificate of an authority that takes the place of this one
)

const (
	authorityYears = 10
	serverLife     = 90 * 24 * time.Hour
	clientLife     = 365 * 24 * time.Hour
	// For clients whose clocks are slow.
	backdate = time.Hour
)

// An Authority is a certificate authority of the server's own, kept in a
// directory. Its methods may be called from any goroutine.
type Authority struct {
	dir  string
	log  *slog.Logger
	pair atomic.Pointer[tls.Certificate]

	renewing sync.Mutex
}

// OpenAuthority opens the authority in dir, or makes one if dir holds nothing
// of it, which is then called after the first of the names, if there is one.
//
// Only one process at a time may have dir open: the lock on the state directory
// sees to that. A crash or a power cut at any moment leaves what the next
// OpenAuthority mends. A lost key of the authority is an error and never
// replaced, since every client would have to be given the new authority.
func OpenAuthority(dir string, names []string, log *slog.Logger) (*Authority, error) {
	names, err := ownNames(names)
	if err != nil {
		return nil, err
	}
	a := &Authority{dir: dir, log: log}
	if err := MakeDir(dir); err != nil {
		return nil, fmt.Errorf("tlsutil: %w", err)
	}
	if err := tighten(dir, log); err != nil {
		return nil, fmt.Errorf("tlsutil: %w", err)
	}
	if err := a.open(names); err != nil {
		return nil, err
	}
	return a, nil
}

// Certificate returns the certificate that clients are to trust.
func (a *Authority) Certificate() *x509.Certificate { return a.pair.Load().Leaf }

// PEM returns it in PEM.
func (a *Authority) PEM() []byte { return encode("CERTIFICATE", a.Certificate().Raw) }

// CAFile is the name of the PEM file that holds it.
func (a *Authority) CAFile() string { return filepath.Join(a.dir, caFile) }

// Pool trusts this authority and no other.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate())
	return pool
}

// open loads the authority's key and certificate. What is missing is
// made in this order: the key, its certificate, then server.pem. So a file
// without the one before it means a loss, not a crash.
func (a *Authority) open(names []string) error {
	if err := a.install(); err != nil {
		return err
	}
	entries, err := os.ReadDir(a.dir)
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
			a.dir, err, caKeyFile, caFile)
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
		if err := WriteFile(a.dir, caKeyFile, keyPEM, 0o600); err != nil {
			return fmt.Errorf("tlsutil: %w", err)
		}
	}
	keyFile := filepath.Join(a.dir, caKeyFile)
	if err := tighten(keyFile, a.log); err != nil {
		return lost(err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return lost(err)
	}
	if !has[caFile] {
		certPEM, err := newAuthority(keyPEM, names)
		if err == nil {
			err = WriteFile(a.dir, caFile, certPEM, 0o644)
		}
		if err != nil {
			return lost(err)
		}
		a.tell("a certificate authority has been made; clients are to trust its certificate", certPEM)
	}
	certPEM, err := os.ReadFile(a.CAFile())
	if err != nil {
		return lost(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return lost(fmt.Errorf("certificate %s, key %s: %w", caFile, caKeyFile, err))
	}
	if !pair.Leaf.IsCA {
		return lost(errors.New(caFile + " is not the certificate of an authority"))
	}
	a.pair.Store(&pair)
	return nil
}

// newAuthority returns ca.pem for a key.
func newAuthority(keyPEM []byte, names []string) ([]byte, error) {
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return nil, errors.New(caKeyFile + " is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", caKeyFile, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New(caKeyFile + " can't sign")
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName("posko authority of "+names[0], "posko authority")},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.AddDate(authorityYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true, // it signs no other authorities
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		return nil, err
	}
	return encode("CERTIFICATE", der), nil
}

func (a *Authority) tell(what string, certPEM []byte) {
	block, _ := pem.Decode(certPEM)
	a.log.Info(what, "file", a.CAFile(), "sha256", Fingerprint(&x509.Certificate{Raw: block.Bytes}))
}

// Renew replaces the authority, key and all, by a new one: whatever the old one
// has signed is worth nothing any more, and every client must be given the new
// certificate. On an error the old one is in use until the next start, which
// finishes what has begun.
func (a *Authority) Renew(names []string) error {
	names, err := ownNames(names)
	if err != nil {
		return err
	}
	a.renewing.Lock()
	defer a.renewing.Unlock()
	_, keyPEM, err := newKey()
	if err != nil {
		return err
	}
	certPEM, err := newAuthority(keyPEM, names)
	if err != nil {
		return fmt.Errorf("tlsutil: %w", err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return fmt.Errorf("tlsutil: %w", err)
	}
	if err := WriteFile(a.dir, nextFile, slices.Concat(keyPEM, certPEM), 0o600); err != nil {
		return fmt.Errorf("tlsutil: %w", err)
	}
	if err := a.install(); err != nil {
		return err
	}
	a.pair.Store(&pair)
	a.tell("the certificate authority has been replaced; clients are to trust its new certificate", certPEM)
	return nil
}

// install puts an authority that was made to replace this one in its place. The
// one file that it comes from lasts until both of its parts are in theirs, so
// that a crash leaves no key without its certificate.
func (a *Authority) install() error {
	next := filepath.Join(a.dir, nextFile)
	data, err := os.ReadFile(next)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = tls.X509KeyPair(data, data)
	}
	if err == nil {
		key, certPEM := pem.Decode(data)
		err = WriteFile(a.dir, caKeyFile, pem.EncodeToMemory(key), 0o600)
		if err == nil {
			err = WriteFile(a.dir, caFile, certPEM, 0o644)
		}
	}
	if err == nil {
		err = os.Remove(next)
	}
	if err == nil {
		err = syncDir(a.dir)
	}
	if err != nil {
		return fmt.Errorf("tlsutil: putting the new certificate authority of %s into place: %w", next, err)
	}
	return nil
}

// A Purpose is what a certificate is for.
type Purpose int

// The purposes for which an authority issues certificates.
const (
	ForServer Purpose = iota // of 90 days, for host names and addresses
	ForClient                // of one year, for a person, whose name is the subject
)

// Issue returns, in PEM, a new key, its certificate for the names, and that of
// the authority: a peer that only knows its fingerprint can check that. A
// client has one name.
func (a *Authority) Issue(purpose Purpose, names []string) ([]byte, error) {
	pair := a.pair.Load()
	ca := pair.Leaf
	now := time.Now()
	if now.Before(ca.NotBefore) || ca.NotAfter.Sub(now) < serverLife/3 {
		return nil, fmt.Errorf("tlsutil: the certificate authority in %s, valid from %s to %s, can't sign now: "+
			"set the clock, or get a new authority with \"poskod cert ca --renew\", which every client must then be given",
			a.dir, ca.NotBefore.Format(time.DateOnly), ca.NotAfter.Format(time.DateOnly))
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName(names[0], "posko")},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(serverLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if purpose == ForClient {
		template.NotAfter = now.Add(clientLife)
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	} else {
		names, err := ParseNames(names)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if ip := net.ParseIP(name); ip != nil {
				template.IPAddresses = append(template.IPAddresses, ip)
			} else {
				template.DNSNames = append(template.DNSNames, name)
			}
		}
	}
	if template.NotAfter.After(ca.NotAfter) {
		template.NotAfter = ca.NotAfter
	}
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), pair.PrivateKey)
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
