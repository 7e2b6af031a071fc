package tlsutil

import (
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// clientCert issues a certificate for a client.
func clientCert(t *testing.T, a *Authority, name string) tls.Certificate {
	t.Helper()
	data, err := a.Issue(ForClient, []string{name})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(data, data)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestClients(t *testing.T) {
	own, other := openOwn(t, t.TempDir()), openOwn(t, t.TempDir())
	server := *own.served.Load()
	good, foreign := clientCert(t, own.Authority, "ani"), clientCert(t, other.Authority, "ani")
	for _, c := range []struct {
		what     string
		required bool
		cert     *tls.Certificate
		alert    string // "" if it is let in
	}{
		{"optional, none", false, nil, ""},
		{"optional, good", false, &good, ""},
		{"optional, another authority's", false, &foreign, "unknown certificate authority"},
		{"optional, a server's", false, &server, "bad certificate"},
		{"required, none", true, nil, "certificate required"},
		{"required, good", true, &good, ""},
	} {
		demands := &Clients{Required: c.required, CAs: own.Pool()}
		addr, _ := listen(t, ConfigWithClients(own, testALPN, func() *Clients { return demands }))
		client := ClientConfig(own.Pool(), "localhost", testALPN)
		client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if c.cert == nil {
				return &tls.Certificate{}, nil
			}
			return c.cert, nil // also where its authority isn't asked for
		}
		_, err := dial(t, addr, client)
		if c.alert == "" && err != nil || c.alert != "" && (err == nil || !strings.Contains(err.Error(), c.alert)) {
			t.Errorf("%s: %v, want %q", c.what, err, c.alert)
		}
	}
}

// TestSubject: what another authority says of a name counts for nothing, though
// clients may show its certificates.
func TestSubject(t *testing.T) {
	own, other := openOwn(t, t.TempDir()), openOwn(t, t.TempDir())
	leaf, err := x509.ParseCertificate(clientCert(t, other.Authority, "ani").Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: other.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		t.Fatal(err)
	}
	state := tls.ConnectionState{VerifiedChains: chains}
	if name, issued, ok := other.Subject(state); name != "ani" || !ok || time.Since(issued) > time.Minute {
		t.Errorf("its own authority says %q, %v, %t", name, issued, ok)
	}
	if name, _, ok := own.Subject(state); name != "" || ok {
		t.Errorf("another authority says %q, %t", name, ok)
	}
}

// TestClientsResumed changes the demands between a handshake and its resumption,
// which must not escape them.
func TestClientsResumed(t *testing.T) {
	own, other := openOwn(t, t.TempDir()), openOwn(t, t.TempDir())
	var demands atomic.Pointer[Clients]
	addr, _ := listen(t, ConfigWithClients(own, testALPN, demands.Load))
	cert := clientCert(t, own.Authority, "ani")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		demands.Store(&Clients{CAs: own.Pool()})
		with := ClientConfig(own.Pool(), "localhost", testALPN)
		with.MaxVersion = version
		with.ClientSessionCache = tls.NewLRUClientSessionCache(0)
		without := with.Clone()
		with.Certificates = []tls.Certificate{cert}
		without.ClientSessionCache = tls.NewLRUClientSessionCache(0)
		for i, resumed := range []bool{false, true} {
			for what, client := range map[string]*tls.Config{"with": with, "without": without} {
				conn := mustDial(t, addr, client)
				echo(t, conn)
				if got := conn.ConnectionState().DidResume; got != resumed {
					t.Errorf("%x, %s a certificate, handshake %d: resumed %t", version, what, i+1, got)
				}
				conn.Close()
			}
			// The same demands anew, as a reload makes them.
			demands.Store(&Clients{CAs: own.Pool()})
		}
		demands.Store(&Clients{Required: true, CAs: own.Pool()})
		if _, err := dial(t, addr, without); err == nil {
			t.Errorf("%x: resumed without the certificate that is required by now", version)
		}
		conn := mustDial(t, addr, with)
		echo(t, conn)
		conn.Close()
		demands.Store(&Clients{Required: true, CAs: other.Pool()})
		if _, err := dial(t, addr, with); err == nil {
			t.Errorf("%x: resumed with the certificate of an authority that is trusted no more", version)
		}
	}
}

func TestReadCAs(t *testing.T) {
	dir := t.TempDir()
	own := openOwn(t, dir)
	pool, err := ReadCAs(own.CAFile())
	if err != nil || !pool.Equal(own.Pool()) {
		t.Errorf("got %v, %v", pool, err)
	}
	empty := filepath.Join(dir, "empty")
	write(t, empty, nil, 0o600)
	for _, bad := range []string{empty, filepath.Join(dir, "missing"), filepath.Join(dir, caKeyFile)} {
		if _, err := ReadCAs(bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
