package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Bounds of the metrics' HTTP, which has no settings.
const (
	healthTime    = 5 * time.Second // to prove that the server is well
	webHeader     = 5 * time.Second // to send a request
	webWrite      = 20 * time.Second
	webIdle       = 2 * time.Minute // between two scrapes
	webGrace      = time.Second     // at the end
	webHeaderSize = 8 << 10         // bytes
	webMost       = 64              // connections
	webScrapes    = 4               // at once
)

// newWeb makes what serves /metrics and /healthz: plain HTTP, for whoever can
// reach the listener.
func newWeb(s *Server, log *slog.Logger) *http.Server {
	var open atomic.Int64
	return &http.Server{
		Handler:                      s.web(log),
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            webHeader,
		ReadTimeout:                  webHeader,
		WriteTimeout:                 webWrite,
		IdleTimeout:                  webIdle,
		MaxHeaderBytes:               webHeaderSize,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnState: func(nc net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				if open.Add(1) > webMost {
					nc.Close()
				}
			case http.StateClosed:
				open.Add(-1)
			}
		},
	}
}

func (s *Server) web(log *slog.Logger) http.Handler {
	scrape := promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.HTTPErrorOnError,
		MaxRequestsInFlight: webScrapes,
	})
	paths := map[string]http.Handler{"/metrics": scrape, "/healthz": http.HandlerFunc(s.healthz)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := paths[r.URL.Path]
		switch {
		case h == nil:
			http.NotFound(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// healthz answers 200 while the server is well. What it says otherwise tells
// nothing of the inside.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTime)
	defer cancel()
	w.Header().Set("Cache-Control", "no-store")
	err := s.Check(ctx)
	if why, ok := errors.AsType[illness](err); ok {
		http.Error(w, string(why), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "ok\n")
}

// An illness is what keeps the server from being well, in words for strangers.
type illness string

func (i illness) Error() string { return "server: " + string(i) }

const (
	errStopping   = illness("stopping")
	errHung       = illness("no answer in time")
	errNoDatabase = illness("the database does not answer")
)

// Check proves that the server serves: every accept loop comes round, the
// server and the hub are not locked up, and the database answers, all before
// ctx is done. It may be called from any goroutine; calls wait for each other.
func (s *Server) Check(ctx context.Context) error {
	select {
	case s.checking <- struct{}{}:
	case <-ctx.Done():
		return errHung
	}
	done := make(chan error, 1)
	go func() { // of its own: nothing can interrupt the wait for a lock
		defer func() { <-s.checking }()
		done <- s.check(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errHung
	}
}

func (s *Server) check(ctx context.Context) error {
	if err := s.knock(ctx); err != nil {
		return err
	}
	s.limits.refused()
	s.hub.OnlineCount()
	if err := s.ping(ctx); err != nil {
		return fmt.Errorf("%w: %w", errNoDatabase, err)
	}
	return nil
}

// knock interrupts every accept loop, by a deadline in the past, and waits
// until each has noticed.
func (s *Server) knock(ctx context.Context) error {
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return errStopping
	}
	answers := make(chan struct{}, len(s.listeners))
	s.answers = answers
	asked := 0
	for l := range s.listeners {
		if d, ok := l.(interface{ SetDeadline(time.Time) error }); ok && d.SetDeadline(time.Unix(1, 0)) == nil {
			asked++
		}
	}
	s.mu.Unlock()
	for range asked {
		select {
		case <-answers:
		case <-s.ctx.Done():
			return errStopping
		case <-ctx.Done():
			return errHung
		}
	}
	return nil
}

// isKnock tells the error of an accept that knock has interrupted, and answers.
func (s *Server) isKnock(l net.Listener, err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Time{})
	s.answers <- struct{}{} // never waits: one for each deadline that was set
	return true
}

// serveWeb serves a listener until stopWeb.
func (s *Server) serveWeb(_ string, l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// stopWeb lets requests that are under way end.
func (s *Server) stopWeb() {
	// A context of its own: there is grace whatever has ended.
	ctx, cancel := context.WithTimeout(context.Background(), webGrace)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
}
