// Package tlsutil owns TLS: the policy that every listener and client of the
// project follows, and where the server's certificates come from, which is an
// authority of its own (Own) or files that the administrator brings (Files).
//
// It knows no protocol: the names of ALPN are handed in. It opens no socket,
// and nothing in it may know certmagic, so that a client need not link it.
//
// Tests of other packages need no certificates of their own: OpenOwn in
// t.TempDir() takes milliseconds, and its Pool goes into ClientConfig.
package tlsutil

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// A Source is where the server's certificates come from. Every method may be
// called from any goroutine.
type Source interface {
	// GetCertificate is the hook of tls.Config. Every full handshake waits
	// for it, so it answers from memory.
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// State tells what is being served, for people and for metrics.
	State() []State
	// Run keeps the certificates fresh until ctx is done. It is to be called
	// once. Of their end Warn tells.
	Run(ctx context.Context)
}

// Config is the policy of a server: TLS 1.2 and 1.3, forward secrecy and AEAD
// only. crypto/tls itself has no compression, no 0-RTT and, in a server, no
// renegotiation.
//
// A client that offers ALPN without the given name is refused in the handshake,
// one that offers none is served: so a browser that was led here, or a session
// of the other protocol, ends before it begins (RFC 7301, section 3.2).
//
// Use one Config for all connections of a protocol and don't clone it for each:
// it holds the keys of the session tickets, which crypto/tls changes every day.
// Two protocols have one each, so a ticket of one is worth nothing at the other.
func Config(source Source, alpn string) *tls.Config {
	c := policy(alpn)
	c.GetCertificate = source.GetCertificate
	return c
}

// ClientConfig is the same policy for a client of the server that is called
// name, a host name or an address. With nil roots the system's are trusted.
func ClientConfig(roots *x509.CertPool, name, alpn string) *tls.Config {
	c := policy(alpn)
	c.RootCAs = roots
	c.ServerName = name
	return c
}

func policy(alpn string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{alpn},
		// For 1.2; those of 1.3 are all good and can't be chosen. The RSA ones
		// are for certificates that the administrator brings.
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		// crypto/tls orders them itself, the hybrid first. P-256 is for
		// clients that have nothing newer.
		CurvePreferences: []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256},
		// Small first records help a browser draw early; here they would only
		// cost system calls.
		DynamicRecordSizingDisabled: true,
	}
}

// Fingerprint is the SHA-256 of a certificate, written as
// "openssl x509 -fingerprint -sha256" does.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

// every calls f at each interval until ctx is done.
func every(ctx context.Context, interval time.Duration, f func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
}
