package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"path/filepath"
	"sync/atomic"

	"posko/server"
	"posko/server/admin"
	"posko/tlsutil"
)

// certificates is the source of certificates that the configuration asks for. A
// reload may put another one in its place. Only GetCertificate and describe may
// be called from any goroutine.
type certificates struct {
	dir     string // of the authority
	log     *slog.Logger
	current atomic.Pointer[tlsutil.Source]
	stop    func() // ends the current one's Run
}

func openCertificates(stateDir string, c server.TLS, log *slog.Logger) (*certificates, error) {
	cs := &certificates{dir: filepath.Join(stateDir, "tls", "own"), log: log, stop: func() {}}
	return cs, cs.use(c)
}

// use does what the configuration says. On an error nothing has changed.
func (cs *certificates) use(c server.TLS) error {
	switch now := cs.source().(type) {
	case *tlsutil.Own:
		if c.Mode == server.ModeOwn {
			return now.SetNames(c.Names)
		}
	case *tlsutil.Files:
		if c.Mode == server.ModeFiles {
			return now.Reload(c.Cert, c.Key)
		}
	}
	next, err := cs.open(c)
	if err != nil {
		return err
	}
	cs.close()
	cs.current.Store(&next)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		next.Run(ctx)
	}()
	cs.stop = func() {
		cancel()
		<-ended
	}
	return nil
}

func (cs *certificates) open(c server.TLS) (tlsutil.Source, error) {
	if c.Mode == server.ModeFiles {
		return tlsutil.OpenFiles(c.Cert, c.Key, cs.log)
	}
	return tlsutil.OpenOwn(cs.dir, c.Names, cs.log)
}

// source is the current one, nil before the first.
func (cs *certificates) source() tlsutil.Source {
	if s := cs.current.Load(); s != nil {
		return *s
	}
	return nil
}

// config is the TLS configuration of the protocol that ALPN calls so.
func (cs *certificates) config(alpn string) *tls.Config { return tlsutil.Config(cs, alpn) }

// GetCertificate, State and Run make cs a tlsutil.Source.

func (cs *certificates) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return cs.source().GetCertificate(hello)
}

func (cs *certificates) State() []tlsutil.State { return cs.source().State() }

// Run does nothing: use runs what cs stands for.
func (cs *certificates) Run(context.Context) {}

func (cs *certificates) close() { cs.stop() }

// describe tells the operator about the certificates.
func (cs *certificates) describe() []admin.Certificate {
	var all []admin.Certificate
	for _, s := range cs.State() {
		all = append(all, admin.Certificate(s))
	}
	return all
}
