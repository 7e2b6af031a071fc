package tlsutil

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Clients is what a server demands of its clients' certificates.
type Clients struct {
	Required bool // or else a client may show none
	CAs      *x509.CertPool
}

// ConfigWithClients is Config with demands that may change: clients is asked in
// each handshake, and returns the same pointer until they do, nil for no demand.
// A certificate that is shown is always verified, also where a session is
// resumed.
//
// The configurations that are made for them share the session tickets' keys of
// the one that is returned, so that a change of demands costs no client that
// meets them a full handshake.
func ConfigWithClients(source Source, alpn string, clients func() *Clients) *tls.Config {
	base := Config(source, alpn)
	var mu sync.Mutex
	var of *Clients
	var made *tls.Config
	base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		demands := clients()
		if demands == nil {
			return nil, nil
		}
		mu.Lock()
		defer mu.Unlock()
		if of != demands {
			made, of = Config(source, alpn), demands
			made.ClientCAs = demands.CAs
			made.ClientAuth = tls.VerifyClientCertIfGiven
			if demands.Required {
				made.ClientAuth = tls.RequireAndVerifyClientCert
			}
		}
		return made, nil
	}
	return base
}

// ReadCAs reads a file of certificates of authorities, in PEM.
func ReadCAs(name string) (*x509.CertPool, error) {
	data, _, err := readFile(name)
	if err != nil {
		return nil, err
	}
	pool, any := x509.NewCertPool(), false
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("tlsutil: %s: %w", name, err)
		}
		pool.AddCert(cert)
		any = true
	}
	if !any {
		return nil, fmt.Errorf("tlsutil: %s: %w", name, errors.New("holds no certificate"))
	}
	return pool, nil
}

// Subject returns for whom this authority has issued the certificate that a
// client has shown, and when. ok is false if it has not, or not as it is now.
func (a *Authority) Subject(state tls.ConnectionState) (name string, issued time.Time, ok bool) {
	for _, chain := range state.VerifiedChains {
		if chain[len(chain)-1].Equal(a.Certificate()) {
			return chain[0].Subject.CommonName, chain[0].NotBefore.Add(backdate), true
		}
	}
	return "", time.Time{}, false
}
