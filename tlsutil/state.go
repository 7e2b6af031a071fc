package tlsutil

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// A certificate that ends sooner, and that nothing renews, is warned of.
const warnBefore = 14 * 24 * time.Hour

// State is what there is to know about one certificate, in words for people.
type State struct {
	// Names are what it is valid for, host names, then addresses; or what it
	// is to be valid for, if there is none yet.
	Names  []string
	Source string // who provides it, with the place
	Issuer string // the common name of who signed it
	// NotBefore and NotAfter are zero if there is no certificate yet.
	NotBefore, NotAfter time.Time
	// Tried is when a new certificate was last asked for, or read from its
	// files; zero if that is not known.
	Tried time.Time
	Err   error // why that try failed, in plain words; nil if it did not
	// Waiting is what stands between this certificate and the one that should
	// be served; "" for nothing.
	Waiting string
	Next    string // what an administrator is to do, if there is trouble
	ByHand  bool   // nothing renews it unless somebody brings a new one
}

// stateOf tells what a certificate itself says.
func stateOf(cert *x509.Certificate) State {
	return State{
		Names: certNames(cert), Issuer: cert.Issuer.CommonName,
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter,
	}
}

// Trouble says in a few words why somebody must look after the certificate, or
// "": it has ended, or will within 14 days while nothing renews it. Of one that
// lives for less than 42 days, the last third counts instead.
func (s State) Trouble(now time.Time) string {
	left := s.NotAfter.Sub(now)
	switch {
	case s.NotAfter.IsZero() && s.Err != nil:
		return "there is no certificate, and none could be had"
	case s.NotAfter.IsZero():
		return ""
	case left <= 0:
		return fmt.Sprintf("it ended on %s", s.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(s.NotBefore):
		return "it is not valid yet: is the clock right?"
	case left > min(warnBefore, s.NotAfter.Sub(s.NotBefore)/3):
		return ""
	case s.ByHand:
		return fmt.Sprintf("it ends on %s", s.NotAfter.UTC().Format(time.DateOnly))
	case s.Err != nil:
		return fmt.Sprintf("it ends on %s, and renewing it fails", s.NotAfter.UTC().Format(time.DateOnly))
	}
	return ""
}

// Warn logs the trouble with the certificates of source, at once and then once
// a day, until ctx is done.
func Warn(ctx context.Context, source Source, log *slog.Logger) {
	warn := func() {
		for _, s := range source.State() {
			if trouble := s.Trouble(time.Now()); trouble != "" {
				log.Warn("a server certificate needs looking after: "+trouble,
					"names", strings.Join(s.Names, " "), "source", s.Source, "not_after", s.NotAfter, "err", s.Err, "next", s.Next)
			}
		}
	}
	warn()
	every(ctx, 24*time.Hour, warn)
}

// certNames lists what a certificate is valid for: host names, then addresses.
func certNames(cert *x509.Certificate) []string {
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
