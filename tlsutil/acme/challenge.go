package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mholt/acmez/v3"
)

const (
	// How long an authority, or a stranger, may take for one question.
	answerLimit = 5 * time.Second
	// How many may ask at once, on one listener: enough that strangers who say
	// nothing don't keep an authority out.
	maxAsking = 1024
)

// Challenges answers the authority's questions whether a name is ours, on
// listeners that serve nothing else. A Use replaces the Obtainer while they
// stay open.
type Challenges struct {
	current   atomic.Pointer[Obtainer]
	log       *slog.Logger
	listeners []net.Listener
	wg        sync.WaitGroup
}

// Answer serves HTTP-01 and TLS-ALPN-01 on the given listeners until Close.
func Answer(overHTTP, tlsALPN []net.Listener, log *slog.Logger) *Challenges {
	c := &Challenges{log: log, listeners: slices.Concat(overHTTP, tlsALPN)}
	server := &http.Server{
		Handler:        c,
		ReadTimeout:    answerLimit,
		WriteTimeout:   answerLimit,
		MaxHeaderBytes: 8 << 10,
		// Strangers' mistakes are not the administrator's business.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	server.SetKeepAlivesEnabled(false)
	for _, l := range overHTTP {
		c.wg.Go(func() { c.ended(server.Serve(few(l))) })
	}
	for _, l := range tlsALPN {
		c.wg.Go(func() { c.ended(c.handshakes(few(l))) })
	}
	return c
}

func (c *Challenges) ended(err error) {
	if !errors.Is(err, net.ErrClosed) {
		c.log.Error("challenges are not answered any more: the listener broke", "err", err)
	}
}

// Use has another Obtainer's challenges answered, nil for nobody's.
func (c *Challenges) Use(o *Obtainer) { c.current.Store(o) }

// Close closes the listeners.
func (c *Challenges) Close() {
	for _, l := range c.listeners {
		l.Close()
	}
	c.wg.Wait()
}

// ServeHTTP answers HTTP-01; anything else is not found.
func (c *Challenges) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o := c.current.Load()
	if o == nil || !o.knows(r.Host) || !o.issuer.HandleHTTPChallenge(w, r) {
		http.NotFound(w, r)
	}
}

// knows tells whether a challenge may be about the host of a request. Its name
// becomes part of a path in certmagic's storage.
func (ob *Obtainer) knows(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return slices.Contains(ob.names, strings.ToLower(strings.Trim(host, "[]")))
}

// handshakes answers TLS-ALPN-01: the handshake is the whole answer.
func (c *Challenges) handshakes(l net.Listener) error {
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{acmez.ACMETLS1Protocol},
		GetCertificate: c.getCertificate,
	}
	var under sync.WaitGroup
	defer under.Wait()
	for {
		nc, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil { // out of descriptors, say
			c.log.Error("a connection for TLS-ALPN-01 could not be accepted", "err", err)
			time.Sleep(time.Second)
			continue
		}
		under.Go(func() {
			defer nc.Close()
			ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
			defer cancel()
			if err := tls.Server(nc, config).HandshakeContext(ctx); err != nil {
				c.log.Debug("a handshake for TLS-ALPN-01 failed", "err", err, "remote", nc.RemoteAddr())
			}
		})
	}
}

var errNoChallenge = errors.New("acme: no challenge for this name is under way")

func (c *Challenges) getCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	o := c.current.Load()
	if o == nil || !o.knows(hello.ServerName) || !slices.Equal(hello.SupportedProtos, []string{acmez.ACMETLS1Protocol}) {
		return nil, errNoChallenge
	}
	return o.renews.GetCertificate(hello)
}

// few is a listener with at most maxAsking connections open.
func few(l net.Listener) net.Listener {
	return &fewListener{Listener: l, open: make(chan struct{}, maxAsking)}
}

type fewListener struct {
	net.Listener
	open chan struct{}
}

func (l *fewListener) Accept() (net.Conn, error) {
	l.open <- struct{}{}
	nc, err := l.Listener.Accept()
	if err != nil {
		<-l.open
		return nil, err
	}
	return &fewConn{Conn: nc, release: sync.OnceFunc(func() { <-l.open })}, nil
}

type fewConn struct {
	net.Conn
	release func()
}

func (c *fewConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
