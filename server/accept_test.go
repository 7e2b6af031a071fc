package server

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"posko/server/store"
)

// A troubled listener has errors before its connections.
type troubled struct {
	net.Listener
	errs []error
}

func (l *troubled) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
	}
	return l.Listener.Accept()
}

// What passes doesn't end the server; what doesn't, does.
func TestAccept(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	l := &troubled{inner, []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EPERM, syscall.EPROTO}}
	result := make(chan error, 1)
	go func() { result <- h.accept(ProtocolChat, l) }()
	h.addr[ProtocolChat] = inner.Addr().String()
	h.dial(ProtocolChat).ask("PING", "PONG")
	inner.Close()
	if err := within(t, patience, result); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a listener that was closed by others: %v", err)
	}
	go func() { result <- h.accept(ProtocolChat, &troubled{inner, []error{syscall.EINVAL}}) }()
	if err := within(t, patience, result); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a listener that is none: %v", err)
	}
}

// A stop doesn't wait until a loop that pauses after a failure tries again.
func TestAcceptPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &Server{log: slog.New(slog.DiscardHandler), stopped: make(chan struct{})}
		result := make(chan error, 1)
		go func() { result <- s.accept(ProtocolChat, hopeless{}) }()
		time.Sleep(time.Minute) // by now it pauses for as long as it ever does
		began := time.Now()
		close(s.stopped)
		if err := <-result; err != nil || time.Since(began) > 0 {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// A hopeless listener is out of descriptors for ever.
type hopeless struct{ net.Listener }

func (hopeless) Accept() (net.Conn, error) { return nil, syscall.EMFILE }

// A slow log doesn't keep those from coming and going who are within the limits.
func TestAdmitSlowLog(t *testing.T) {
	t.Parallel()
	pipe, log := io.Pipe()
	l := newLimits(slog.New(slog.NewTextHandler(log, nil)))
	l.set(0, 1)
	from := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}
	release, _ := l.admit(from)
	refused := make(chan error, 1)
	go func() {
		if _, ok := l.admit(from); ok {
			refused <- errors.New("admitted above the limit")
		}
		close(refused)
	}()
	pipe.Read(make([]byte, 1)) // it is being logged, and the rest is not taken
	if _, ok := l.admit(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 2)}); !ok {
		t.Error("refused below the limit")
	}
	release()
	go io.Copy(io.Discard, pipe)
	if err := within(t, patience, refused); err != nil {
		t.Error(err)
	}
	log.Close()
}

// Without a TLS configuration nothing is served, least of all in the clear.
func TestNoTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	st, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	s, err := New(t.Context(), Options{
		Config: testConfig(), Dir: dir, Accounts: st.Accounts(), Hub: st, Files: st, Log: slog.New(slog.DiscardHandler),
		TLS: func(string) *tls.Config { return nil },
	})
	if err == nil {
		t.Error("a server without TLS was made")
		s.Shutdown(t.Context())
	}
}

// A Serve that comes after Shutdown closes all that it was given.
func TestServeLate(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	h.stop()
	var all []net.Listener
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
		all = append(all, l)
	}
	if err := h.Serve(map[string][]net.Listener{ProtocolChat: all[:1], ProtocolFiles: all[1:]}); err != ErrServerClosed {
		t.Errorf("Serve: %v", err)
	}
	for _, l := range all {
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a listener is still open: %v", err)
		}
	}
}
