package server

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
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
