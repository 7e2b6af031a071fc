package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posko/server/store"
)

func TestHealth(t *testing.T) {
	h := newHouse(t, testConfig())
	m := h.monitor()
	for range 3 {
		if status, body, _ := m.do("GET", "/healthz"); status != http.StatusOK || body != "ok\n" {
			t.Fatalf("%d %q", status, body)
		}
	}
	h.dial(ProtocolChat).ask("PING", "PONG") // the loops go on accepting
	h.dial(ProtocolFiles).ask("NOOP", "Siap")
	other, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	h.ping = other.Ping
	status, body, head := m.do("GET", "/healthz")
	if status != http.StatusServiceUnavailable || body != "the database does not answer\n" {
		t.Errorf("%d %q", status, body)
	}
	if head.Get("Cache-Control") != "no-store" {
		t.Errorf("it may be cached: %v", head)
	}
}

// TestCheckAccept has an accept loop hang: nothing else would notice.
func TestCheckAccept(t *testing.T) {
	for _, name := range []string{ProtocolChat, ProtocolFiles} {
		h := newHouse(t, testConfig())
		h.limits.mu.Lock()
		h.raw(name)
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		for range 2 { // the second one is kept waiting by the first
			if err := h.Check(short); err != errHung {
				t.Errorf("%s: %v", name, err)
			}
		}
		cancel()
		h.limits.mu.Unlock()
		for range 2 {
			if err := h.Check(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestCheckLocks(t *testing.T) {
	h := newHouse(t, testConfig())
	for _, lock := range []interface {
		Lock()
		Unlock()
	}{&h.mu, &h.limits.mu} {
		lock.Lock()
		short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if err := h.Check(short); err != errHung {
			t.Errorf("Check: %v", err)
		}
		cancel()
		lock.Unlock()
	}
	if err := h.Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
}

// TestHealthAtStop asks while an upload holds up the end.
func TestHealthAtStop(t *testing.T) {
	cfg := testConfig()
	cfg.Limits.ShutdownGrace = Duration(time.Minute)
	h := newHouse(t, cfg)
	h.user("ani", "rahasia12")
	m := h.monitor()
	ani := h.login(ProtocolFiles, "ani", "rahasia12")
	ani.ask("ALLO 5", "5")
	ani.ask("PUT a", "Silakan kirim")
	result := h.stopping()
	if status, body, _ := m.do("GET", "/healthz"); status != http.StatusServiceUnavailable || body != "stopping\n" {
		t.Errorf("%d %q", status, body)
	}
	if m.scrape()[`posko_connections{protocol="files"}`] != 1 {
		t.Error("the upload is not to be seen")
	}
	io.WriteString(ani, "12345")
	ani.next("[OK] Berkas tersimpan")
	ani.next("[INFO] Server berhenti")
	ani.leave()
	if err := within(t, patience, result); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := net.Dial("tcp", m.addr); err == nil {
		t.Error("it still listens")
	}
	if err := h.Check(t.Context()); err != errStopping {
		t.Errorf("Check: %v", err)
	}
}

// TestShutdownOfWeb has a client of the metrics that says nothing hold up
// nothing.
func TestShutdownOfWeb(t *testing.T) {
	h := newHouse(t, testConfig())
	m := h.monitor()
	silent, err := net.Dial("tcp", m.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	io.WriteString(silent, "GET /metrics HTTP/1.1\r\nHost: x\r\n")
	if err := within(t, patience, h.stopping()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	silent.SetDeadline(time.Now().Add(webHeader / 2)) // before it would be closed anyway
	if _, err := silent.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("read: %v", err)
	}
}

func TestWeb(t *testing.T) {
	h := newHouse(t, testConfig())
	m := h.monitor()
	for _, tt := range []struct {
		method, path string
		status       int
		body         string // how it begins
	}{
		{"GET", "/metrics", 200, "# HELP "},
		{"HEAD", "/metrics", 200, ""},
		{"GET", "/healthz", 200, "ok\n"},
		{"HEAD", "/healthz", 200, ""},
		{"GET", "/healthz?x=y", 200, "ok\n"},
		{"POST", "/metrics", 405, "method not allowed\n"},
		{"DELETE", "/healthz", 405, "method not allowed\n"},
		{"OPTIONS", "/metrics", 405, "method not allowed\n"},
		{"GET", "/", 404, "404"},
		{"GET", "/metrics/", 404, "404"},
		{"GET", "//metrics", 404, "404"},
		{"GET", "/x/../metrics", 404, "404"},
		{"GET", "/debug/pprof/", 404, "404"},
		{"POST", "/", 404, "404"},
	} {
		status, body, head := m.do(tt.method, tt.path)
		if status != tt.status || !strings.HasPrefix(body, tt.body) {
			t.Errorf("%s %s: %d %.80q", tt.method, tt.path, status, body)
		}
		if status == 405 && head.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: allowed are %q", tt.method, tt.path, head.Get("Allow"))
		}
	}
	nc, err := net.Dial("tcp", m.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(nc, "GET /metrics HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", 3*webHeaderSize))
	if answer, err := io.ReadAll(nc); err != nil && len(answer) == 0 || !strings.HasPrefix(string(answer), "HTTP/1.1 431 ") {
		t.Errorf("%.80q, %v", answer, err)
	}
}

// TestWebBounds has more clients come than there is room for.
func TestWebBounds(t *testing.T) {
	h := newHouse(t, testConfig())
	m := h.monitor()
	var all []net.Conn
	for range webMost {
		nc, err := net.Dial("tcp", m.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(patience))
		all = append(all, nc)
	}
	over, err := net.Dial("tcp", m.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer over.Close()
	over.SetDeadline(time.Now().Add(time.Second))
	if _, err := over.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("the one too many: %v", err)
	}
	for _, nc := range all {
		nc.Close()
	}
	eventually(t, "there is room again", func() bool {
		answer, err := m.Get("http://" + m.addr + "/healthz")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// TestWebSlow has a client send its request by and by.
func TestWebSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{metrics: newMetrics(&Server{})}
		web := newWeb(s, slog.New(slog.DiscardHandler))
		here, there := net.Pipe()
		l := &single{conn: there, closed: make(chan struct{})}
		go web.Serve(l)
		defer web.Close()
		go io.Copy(io.Discard, here)
		began := time.Now()
		var err error
		for _, b := range []byte("GET /healthz HTTP/1.1") {
			if _, err = here.Write([]byte{b}); err != nil {
				break
			}
			time.Sleep(webHeader / 4)
		}
		if took := time.Since(began); err == nil || took > 2*webHeader {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// A single listener has one connection.
type single struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *single) Accept() (net.Conn, error) {
	if nc := l.conn; nc != nil {
		l.conn = nil
		return nc, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *single) Close() error   { close(l.closed); return nil }
func (l *single) Addr() net.Addr { return &net.TCPAddr{} }
