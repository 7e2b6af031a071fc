package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"posko/tlsutil"
)

// lookEvery is how often a Source looks for new certificates.
const lookEvery = 2 * time.Second

// SourceOptions say what to serve.
type SourceOptions struct {
	Dir   string   // the Obtainer's
	Names []string // as tlsutil.ParseNames gives them
	// Fallback serves, and is run, as long as a certificate is missing; nil
	// for none.
	Fallback tlsutil.Source
	Alone    bool // no Obtainer is in this process
	Log      *slog.Logger
}

// Source serves what an Obtainer brings. It implements tlsutil.Source.
type Source struct {
	dir      string
	names    []string
	fallback tlsutil.Source
	alone    bool
	log      *slog.Logger
	every    time.Duration // looks
	have     atomic.Pointer[stock]

	mu sync.Mutex // held while looking
}

// stock is what there is to serve. It never changes.
type stock struct {
	certs    map[string]*tls.Certificate // by name
	tries    map[string]Try
	troubles map[string]string // by name; why what is there can't be served
}

// Open serves what is there. Nothing is no error: it may come.
func Open(o SourceOptions) *Source {
	s := &Source{
		dir: ServedDir(o.Dir), names: o.Names, fallback: o.Fallback, alone: o.Alone, log: o.Log,
		every: lookEvery,
	}
	s.have.Store(&stock{})
	s.look()
	return s
}

// Run implements tlsutil.Source: it serves new certificates as they appear.
func (s *Source) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	if s.fallback != nil {
		wg.Go(func() { s.fallback.Run(ctx) })
	}
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.look()
		}
	}
}

// Fallback is what serves as long as a certificate is missing; nil for nothing.
func (s *Source) Fallback() tlsutil.Source { return s.fallback }

// look takes what is in the folder. What can't be read or used leaves what was
// served before.
func (s *Source) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := s.have.Load()
	now := &stock{certs: map[string]*tls.Certificate{}, troubles: map[string]string{}}
	for _, name := range s.names {
		cert, err := readCertificate(s.dir, name)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				now.troubles[name] = err.Error()
				if had.troubles[name] != err.Error() {
					s.log.Error("a certificate that has been obtained can't be served", "name", name, "err", err)
				}
			}
			if cert = had.certs[name]; cert == nil {
				continue
			}
		}
		now.certs[name] = cert
	}
	tries, err := readTries(s.dir)
	if err != nil {
		tries = had.tries
	}
	now.tries = tries
	s.have.Store(now)
	for name, cert := range now.certs {
		if old := had.certs[name]; old == nil || !old.Leaf.Equal(cert.Leaf) {
			s.log.Info("serving a certificate", "name", name, "issuer", cert.Leaf.Issuer.CommonName, "not_after", cert.Leaf.NotAfter)
		}
	}
}

var errNone = errors.New("acme: no certificate has been obtained yet")

// GetCertificate implements tlsutil.Source. A client that asks for no name, or
// for none of ours, gets the first name's.
func (s *Source) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	have := s.have.Load()
	asked := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if asked == "" && hello.Conn != nil {
		// Whoever connects to an address sends no name.
		if host, _, err := net.SplitHostPort(hello.Conn.LocalAddr().String()); err == nil {
			asked = host
		}
	}
	_, parent, _ := strings.Cut(asked, ".")
	var first *tls.Certificate
	missing := false
	for _, name := range s.names {
		cert := have.certs[name]
		if name == asked || name == "*."+parent {
			if cert != nil {
				return cert, nil
			}
			missing = true
		}
		if first == nil {
			first = cert
		}
	}
	if (missing || first == nil) && s.fallback != nil {
		return s.fallback.GetCertificate(hello)
	}
	if first == nil {
		return nil, errNone
	}
	return first, nil
}

// State implements tlsutil.Source. While the fallback serves, it is there, too.
func (s *Source) State() []tlsutil.State {
	have := s.have.Load()
	var all []tlsutil.State
	missing := false
	for _, name := range s.names {
		state := s.state(have, name)
		all = append(all, state)
		missing = missing || state.NotAfter.IsZero()
	}
	if missing && s.fallback != nil {
		all = append(all, s.fallback.State()...)
	}
	return all
}

func (s *Source) state(have *stock, name string) tlsutil.State {
	try, tried := have.tries[name]
	state := tlsutil.State{Names: []string{name}, Source: "ACME, in " + s.dir, Tried: try.At}
	if cert := have.certs[name]; cert != nil {
		state.Issuer = cert.Leaf.Issuer.CommonName
		state.NotBefore, state.NotAfter = cert.Leaf.NotBefore, cert.Leaf.NotAfter
	} else if !tried && s.alone {
		state.Waiting = `poskod-acme.service, which gets it once it runs ("systemctl enable --now poskod-acme.service")`
	} else {
		state.Waiting = "the authority's first certificate"
	}
	switch {
	case have.troubles[name] != "":
		state.Err = errors.New(have.troubles[name])
		state.Next = "see that the daemon can read the directory"
	case try.Err != "":
		state.Err = errors.New(oneLine(try.Err)) // another user wrote it
		state.Next = `mend that; it is tried again by itself`
		if try.Next.After(time.Now()) {
			state.Next += ", next at " + try.Next.Local().Format(time.TimeOnly)
		}
		state.Next += `, and on "systemctl reload poskod"`
	case overdue(state):
		state.Err = errors.New("a renewal is overdue, and nothing tries")
		state.Next = `see that it is asked for: "systemctl status poskod-acme.service"`
	}
	return state
}

// overdue tells whether a certificate should have been renewed, which is done
// with a third of its life left.
func overdue(s tlsutil.State) bool {
	return !s.NotAfter.IsZero() && time.Until(s.NotAfter) < s.NotAfter.Sub(s.NotBefore)/4
}
