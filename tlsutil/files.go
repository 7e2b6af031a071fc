package tlsutil

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// A certificate that ends sooner is warned of.
	warnBefore = 14 * 24 * time.Hour
	// More than any chain of certificates needs.
	maxFile = 1 << 20
)

// Files is a certificate and a key that somebody else keeps fresh.
type Files struct {
	log    *slog.Logger
	served atomic.Pointer[tls.Certificate]
}

// OpenFiles loads the certificate, followed by its chain, and its key, in PEM.
// Nothing is changed on the disk, so a check may call it too. It warns of a
// certificate that is out of date, and refuses a key that every user of the
// machine can read or that its group can change.
func OpenFiles(certFile, keyFile string, log *slog.Logger) (*Files, error) {
	f := &Files{log: log}
	if err := f.Reload(certFile, keyFile); err != nil {
		return nil, err
	}
	return f, nil
}

// Reload serves what is in the files now, which may be others than before. If
// they are of no use it says why, and what was served before stays.
func (f *Files) Reload(certFile, keyFile string) error {
	certPEM, _, err := readFile(certFile)
	if err != nil {
		return err
	}
	keyPEM, mode, err := readFile(keyFile)
	if err != nil {
		return err
	}
	if mode.Perm()&0o027 != 0 {
		return fmt.Errorf("tlsutil: the key %s has mode %04o, but must be 0640 or stricter", keyFile, mode.Perm())
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return fmt.Errorf("tlsutil: certificate %s, key %s: %w", certFile, keyFile, err)
	}
	f.served.Store(&cert)
	f.warn()
	return nil
}

// GetCertificate implements Source.
func (f *Files) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.served.Load(), nil
}

// State implements Source.
func (f *Files) State() []State {
	return []State{stateOf(f.served.Load().Leaf, nil)}
}

// Run implements Source. It warns once a day from 14 days before the end.
func (f *Files) Run(ctx context.Context) {
	every(ctx, 24*time.Hour, f.warn)
}

func (f *Files) warn() {
	cert := f.served.Load().Leaf
	now := time.Now()
	log := f.log.With("names", certNames(cert), "not_before", cert.NotBefore, "not_after", cert.NotAfter)
	switch {
	case now.Before(cert.NotBefore):
		log.Warn("the server certificate is not valid yet")
	case now.After(cert.NotAfter):
		log.Warn("the server certificate has ended")
	case now.After(cert.NotAfter.Add(-warnBefore)):
		log.Warn("the server certificate ends soon")
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
