// Package acme gets certificates from a public authority, or a private one,
// by RFC 8555, and keeps them fresh. It is the project's only door to certmagic
// and to zap.
//
// It has two halves that meet in a directory alone and may be two processes
// under two users. The Obtainer talks to the authority; what certmagic keeps in
// the directory (the account's key, locks, challenges) only the Obtainer's user
// can read. It puts what is to be served, and how its tries went, into the
// folder "served" there, for its group to read. The Source reads that folder,
// needs no network, and serves.
package acme

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	acmez "github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"

	"posko/tlsutil"
)

const (
	// How often certmagic looks whether a certificate is due, and the Obtainer
	// whether certmagic has a new one. Looking costs nothing, and the
	// certificates of a private authority may live for minutes.
	checkEvery = 10 * time.Second
	// The wait after a first certificate could not be had. It doubles with each
	// try, up to maxWait: public authorities allow few failures an hour.
	firstWait = time.Minute
	maxWait   = time.Hour
)

// Options say which certificates to get, and how.
type Options struct {
	Dir   string   // the directory of both halves
	Names []string // as tlsutil.ParseNames gives them; each gets a certificate
	Email string   // for the authority's warnings; "" for none

	CA    string         // the URL of the authority's directory
	Roots *x509.CertPool // what its own certificate is verified with; nil: the system's

	// ExternalID and ExternalKey, in base64, bind the account to one that the
	// authority knows; "" for none.
	ExternalID, ExternalKey string

	// HTTP and TLSALPN are where Challenges listens; nil switches that
	// challenge off. Hook is a program that changes DNS records; with it the
	// other two are not used.
	HTTP, TLSALPN net.Addr
	Hook          string

	Log *slog.Logger
}

// An Obtainer gets certificates and renews them.
type Obtainer struct {
	dir    *served
	names  []string
	log    *slog.Logger
	issuer *certmagic.ACMEIssuer
	cache  *certmagic.Cache
	renews *certmagic.Config // as certmagic renews
	firsts *certmagic.Config // for the first certificate of a name
	got    chan struct{}     // has a value when a first certificate is there
	check  time.Duration
	wait   time.Duration // after a first failure
}

// New prepares an Obtainer and makes its directory. The caller has agreed to
// the authority's terms. What certmagic says of its locks goes to the default
// logger that slog has at the first call.
func New(o Options) (*Obtainer, error) { return newObtainer(o, checkEvery, firstWait) }

func newObtainer(o Options, check, wait time.Duration) (*Obtainer, error) {
	key, err := externalKey(o.ExternalKey)
	if err != nil {
		return nil, err
	}
	dir, err := makeServed(o.Dir)
	if err != nil {
		return nil, err
	}
	ob := &Obtainer{
		dir: dir, names: o.Names, log: o.Log,
		got: make(chan struct{}, 1), check: check, wait: wait,
	}
	adopt()
	logger := newZap(o.Log)
	ob.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return ob.renews, nil },
		RenewCheckInterval: check,
		Logger:             logger,
	})
	ob.renews = certmagic.New(ob.cache, certmagic.Config{
		Storage:   &certmagic.FileStorage{Path: o.Dir},
		KeySource: certmagic.StandardKeyGenerator{KeyType: certmagic.P256},
		OnEvent:   ob.note,
		Logger:    logger,
	})
	ob.issuer = certmagic.NewACMEIssuer(ob.renews, ob.template(o, key, logger))
	ob.renews.Issuers = []certmagic.Issuer{ob.issuer}
	firsts := *ob.renews
	firsts.Issuers = []certmagic.Issuer{quiet{ob.issuer}}
	ob.firsts = &firsts
	return ob, nil
}

// template is what certmagic is to know of the authority and the challenges.
func (ob *Obtainer) template(o Options, externalKey string, logger *zap.Logger) certmagic.ACMEIssuer {
	t := certmagic.ACMEIssuer{
		CA: o.CA, TrustedRoots: o.Roots, Email: o.Email, Agreed: true,
		DisableHTTPChallenge: o.HTTP == nil, DisableTLSALPNChallenge: o.TLSALPN == nil,
		Logger: logger,
	}
	if o.CA != certmagic.LetsEncryptProductionCA {
		// A second try goes to a test authority first, which others lack.
		t.TestCA = o.CA
	}
	if o.ExternalID != "" {
		t.ExternalAccount = &acmez.EAB{KeyID: o.ExternalID, MACKey: externalKey}
	}
	if o.Hook != "" {
		t.DNS01Solver = &hook{program: o.Hook, limit: hookLimit, log: o.Log}
	}
	// certmagic tries to listen on the challenge's address, fails as Challenges
	// does already, connects to it, and then trusts that it is answered there.
	t.ListenHost, t.AltHTTPPort = split(o.HTTP)
	host, port := split(o.TLSALPN)
	t.AltTLSALPNPort = port
	switch {
	case t.ListenHost == "":
		t.ListenHost = host
	case host != "" && host != t.ListenHost:
		// It knows one host for both.
		t.DisableTLSALPNChallenge = true
		ob.log.Warn("the challenge TLS-ALPN-01 is not used: it listens at another address than HTTP-01",
			"http", o.HTTP, "tlsalpn", o.TLSALPN)
	}
	return t
}

// split returns the host ("" for every address) and the port of a listener.
func split(a net.Addr) (host string, port int) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return "", 0
	}
	if !tcp.IP.IsUnspecified() {
		host = tcp.IP.String()
	}
	return host, tcp.Port
}

// quiet is an issuer that never asks for an email address on the terminal, as
// certmagic's does before it gets a first certificate.
type quiet struct{ *certmagic.ACMEIssuer }

func (q quiet) PreCheck(ctx context.Context, names []string, _ bool) error {
	return q.ACMEIssuer.PreCheck(ctx, names, false)
}

// externalKey brings a key into the one spelling that the protocol has, from
// those that authorities hand out. The error doesn't tell the key.
func externalKey(key string) (string, error) {
	key = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(key, "="))
	if _, err := base64.RawURLEncoding.DecodeString(key); err != nil {
		return "", errors.New("acme: the key of the external account is not in base64")
	}
	return key, nil
}

// Run gets what is missing and renews what is due, until ctx is done. It is to
// be called once, and after the Run of an Obtainer that this one replaces, whose
// certificates of other names it removes from the folder of the other half.
func (ob *Obtainer) Run(ctx context.Context) {
	if err := ob.dir.keep(ob.names); err != nil {
		ob.log.Error("certificates of names that are not configured any more could not be removed", "err", err)
	}
	var tries sync.WaitGroup
	for _, name := range ob.names {
		tries.Go(func() { ob.first(ctx, name) })
	}
	ob.publish(ctx)
	tries.Wait()
	ob.cache.Stop()
}

// first sees to it that certmagic has a certificate for the name, which it then
// renews by itself.
func (ob *Obtainer) first(ctx context.Context, name string) {
	wait := ob.wait
	var attempt int
	again := context.WithValue(ctx, certmagic.AttemptsCtxKey, &attempt)
	for ; ; attempt++ {
		err := ob.firsts.ManageSync(again, []string{name})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			select {
			case ob.got <- struct{}{}:
			default: // publish has yet to see to the last one
			}
			return
		}
		ob.failed(name, err, time.Now().Add(wait))
		ob.log.Error("a certificate could not be had", "name", name, "err", explain(err), "again_in", wait)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, maxWait)
	}
}

// publish puts what certmagic has into the folder of the other half, until ctx
// is done.
func (ob *Obtainer) publish(ctx context.Context) {
	tick := time.NewTicker(ob.check)
	defer tick.Stop()
	for {
		for _, name := range ob.names {
			if err := ob.publishOne(name); err != nil {
				ob.log.Error("a certificate could not be put where the daemon reads it", "name", name, "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-ob.got:
		}
	}
}

func (ob *Obtainer) publishOne(name string) error {
	var newest *certmagic.Certificate
	for _, cert := range ob.cache.AllMatchingCertificates(name) {
		if cert.Names[0] == name && (newest == nil || cert.Leaf.NotAfter.After(newest.Leaf.NotAfter)) {
			newest = &cert
		}
	}
	if newest == nil {
		return nil
	}
	return ob.dir.write(name, &newest.Certificate)
}

// note hears from certmagic how its tries go.
func (ob *Obtainer) note(ctx context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	switch event {
	case "cert_obtained":
		ob.report(name, Try{At: time.Now()})
	case "cert_failed":
		// Of a first certificate first tells, and knows more.
		if err, ok := data["error"].(error); ok && data["renewal"] == true && ctx.Err() == nil {
			ob.failed(name, err, time.Time{})
		}
	}
	return nil
}

// failed reports a try. Of a renewal certmagic alone knows when the next is.
func (ob *Obtainer) failed(name string, err error, next time.Time) {
	ob.report(name, Try{At: time.Now(), Err: explain(err), Next: next})
}

func (ob *Obtainer) report(name string, try Try) {
	if err := ob.dir.report(name, try); err != nil {
		ob.log.Error("how a try went could not be put where the daemon reads it", "name", name, "err", err)
	}
}

// ServedDir is the folder that both halves share.
func ServedDir(dir string) string { return filepath.Join(dir, "served") }

func makeServed(dir string) (*served, error) {
	s := &served{dir: ServedDir(dir), written: map[string][]byte{}}
	if err := tlsutil.MakeDir(s.dir); err != nil {
		return nil, fmt.Errorf("acme: %w", err)
	}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("acme: %w", err)
	}
	return s, nil
}
