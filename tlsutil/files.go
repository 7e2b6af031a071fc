package tlsutil

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// More than any chain of certificates needs.
	maxFile = 1 << 20
	// PollEvery is how often Files.Run looks whether its files have changed.
	PollEvery = 10 * time.Second
)

// A Pair names the files of a certificate, followed by its chain, and of its
// key, both in PEM.
type Pair struct{ Cert, Key string }

// Files are certificates that somebody else keeps fresh. A client is shown the
// first that is for the name it asks for and that it can verify, or else the
// first of all.
type Files struct {
	log    *slog.Logger
	served atomic.Pointer[[]*tls.Certificate]

	mu    sync.Mutex // held while reading the files
	pairs []filePair
}

// A filePair is a pair, and what became of its last reading.
type filePair struct {
	Pair
	cert *tls.Certificate // in use
	seen [sha256.Size]byte
	read time.Time
	err  error
}

// OpenFiles loads the pairs, of which there is at least one. Nothing is changed
// on the disk, so a check may call it too. It refuses a key that every user of
// the machine can read or that its group can change.
func OpenFiles(pairs []Pair, log *slog.Logger) (*Files, error) {
	f := &Files{log: log}
	if err := f.Reload(pairs); err != nil {
		return nil, err
	}
	return f, nil
}

// Reload serves what is in the files now, which may be others than before. If
// one of them is of no use it says why, and everything that was served before
// stays.
func (f *Files) Reload(pairs []Pair) error {
	var next []filePair
	var errs []error
	for _, p := range pairs {
		cert, seen, err := p.load()
		errs = append(errs, err)
		next = append(next, filePair{Pair: p, cert: cert, seen: seen, read: time.Now()})
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pairs = next
	f.serve()
	return nil
}

// serve puts the certificates of the pairs to use. The caller holds mu.
func (f *Files) serve() {
	var certs []*tls.Certificate
	for _, p := range f.pairs {
		certs = append(certs, p.cert)
	}
	f.served.Store(&certs)
}

// Run implements Source: it takes up files that have changed, each pair by
// itself. What is of no use is logged once, and the old pair stays.
func (f *Files) Run(ctx context.Context) { every(ctx, PollEvery, f.poll) }

func (f *Files) poll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.pairs {
		p := &f.pairs[i]
		cert, seen, err := p.load()
		if seen == p.seen {
			continue
		}
		p.seen, p.read, p.err = seen, time.Now(), err
		if err != nil {
			f.log.Error("a certificate that was changed is of no use; the one before it is served on", "err", err)
			continue
		}
		p.cert = cert
		f.log.Info("a certificate that was changed is in use", "file", p.Cert, "names", certNames(cert.Leaf), "not_after", cert.Leaf.NotAfter)
	}
	f.serve()
}

// GetCertificate implements Source.
func (f *Files) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	certs := *f.served.Load()
	for _, cert := range certs {
		if len(certs) == 1 || hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
	}
	return certs[0], nil
}

// State implements Source.
func (f *Files) State() []State {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []State
	for _, p := range f.pairs {
		s := stateOf(p.cert.Leaf)
		s.Source, s.Tried, s.Err, s.ByHand = "file "+p.Cert, p.read, p.err, true
		s.Next = fmt.Sprintf("put a new certificate into %s and its key into %s: they are in use %v later", p.Cert, p.Key, PollEvery)
		all = append(all, s)
	}
	return all
}

// load reads a pair. What it has seen is equal if the files hold the same, or
// can't be read for the same reason.
func (p Pair) load() (cert *tls.Certificate, seen [sha256.Size]byte, err error) {
	certPEM, _, err := readFile(p.Cert)
	if err != nil {
		return nil, sha256.Sum256([]byte(err.Error())), err
	}
	keyPEM, mode, err := readFile(p.Key)
	if err != nil {
		return nil, sha256.Sum256([]byte(err.Error())), err
	}
	seen = sha256.Sum256(fmt.Appendf(nil, "%q %q %o", certPEM, keyPEM, mode))
	if mode.Perm()&0o027 != 0 {
		return nil, seen, fmt.Errorf("tlsutil: the key %s has mode %04o, but must be 0640 or stricter", p.Key, mode.Perm())
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err == nil {
		err = whole(certPEM)
	}
	if err != nil {
		return nil, seen, fmt.Errorf("tlsutil: certificate %s, key %s: %w", p.Cert, p.Key, err)
	}
	return &pair, seen, nil
}

// whole refuses a chain that is being written: tls.X509KeyPair is content with
// the first certificate, and passes over a block without an end.
func whole(chain []byte) error {
	for {
		block, rest := pem.Decode(chain)
		switch {
		case block == nil && bytes.Contains(rest, []byte("-----BEGIN")):
			return errors.New("the chain breaks off")
		case block == nil:
			return nil
		case block.Type == "CERTIFICATE":
			if _, err := x509.ParseCertificate(block.Bytes); err != nil {
				return fmt.Errorf("the chain: %w", err)
			}
		}
		chain = rest
	}
}

// readFile reads a regular file, and tells the mode of what it has read.
func readFile(name string) (data []byte, mode fs.FileMode, err error) {
	// Without O_NONBLOCK a FIFO would hold up the start, or a reload, for ever.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("tlsutil: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("tlsutil: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("tlsutil: %s is not a regular file", name)
	}
	data, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(data) > maxFile {
		err = errors.New("file is too large")
	}
	if err != nil {
		return nil, 0, fmt.Errorf("tlsutil: %s: %w", name, err)
	}
	return data, info.Mode(), nil
}
