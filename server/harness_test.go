package server

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posko/server/account"
	"posko/server/chat"
	"posko/server/files"
	"posko/server/hub"
	"posko/server/line"
	"posko/server/store"
	"posko/tlsutil"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test.
const patience = 10 * time.Second

// A house is a server of a test's own, on real TLS listeners.
type house struct {
	*Server
	tb    testing.TB
	dir   string
	own   *tlsutil.Own
	store *store.Store
	addr  map[string]string // by protocol
	alpn  map[string]string
	stop  func()
}

// testConfig has cheap passwords and a short grace.
func testConfig() Config {
	cfg := Defaults()
	cfg.Accounts.HashMemory = 8 << 10
	cfg.Accounts.HashTime = 1
	cfg.Files.FreeReserve = 0
	cfg.Limits.ShutdownGrace = Duration(2 * time.Second)
	return cfg
}

func newHouse(tb testing.TB, cfg Config) *house {
	tb.Helper()
	return openHouse(tb, cfg, tb.TempDir())
}

// openHouse opens a state directory that may hold something already.
func openHouse(tb testing.TB, cfg Config, dir string) *house {
	tb.Helper()
	if err := cfg.Validate(); err != nil {
		tb.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	own, err := tlsutil.OpenOwn(dir+"/tls/own", nil, log)
	if err != nil {
		tb.Fatal(err)
	}
	st, err := store.Open(tb.Context(), dir, store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	h := &house{
		tb: tb, dir: dir, own: own, store: st,
		addr: map[string]string{},
		alpn: map[string]string{ProtocolChat: chat.ALPN, ProtocolFiles: files.ALPN},
	}
	h.Server, err = New(tb.Context(), Options{
		Config: cfg, Dir: dir, Accounts: st.Accounts(), Hub: st, Log: log,
		TLS: func(alpn string) *tls.Config { return tlsutil.Config(own, alpn) },
	})
	if err != nil {
		tb.Fatal(err)
	}
	listeners := map[string][]net.Listener{}
	for _, name := range []string{ProtocolChat, ProtocolFiles} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		h.addr[name] = l.Addr().String()
		listeners[name] = []net.Listener{l}
	}
	served := make(chan error, 1)
	go func() { served <- h.Serve(listeners) }()
	stopped := false
	h.stop = func() {
		if stopped {
			return
		}
		stopped = true
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(cfg.Limits.ShutdownGrace))
		defer cancel()
		h.Shutdown(ctx)
		if err := <-served; err != ErrServerClosed {
			tb.Errorf("Serve: %v", err)
		}
		if err := st.Close(); err != nil {
			tb.Errorf("store: %v", err)
		}
	}
	tb.Cleanup(func() { h.stop() })
	return h
}

// user makes an account.
func (h *house) user(name, password string) account.Account {
	h.tb.Helper()
	a, err := h.accounts.Add(h.tb.Context(), name, password)
	if err != nil {
		h.tb.Fatalf("user %s: %v", name, err)
	}
	return a
}

// find returns an account as the hub knows it.
func (h *house) find(name string) hub.Account {
	h.tb.Helper()
	a, err := h.accounts.Find(h.tb.Context(), name)
	if err != nil {
		h.tb.Fatalf("user %s: %v", name, err)
	}
	return hub.Account{ID: a.ID, Name: a.Name, Admin: a.Admin}
}

// group makes a group with its owner and members.
func (h *house) group(name, password, owner string, members ...string) {
	h.tb.Helper()
	hash, err := h.accounts.HashGroup(h.tb.Context(), password)
	if err != nil {
		h.tb.Fatal(err)
	}
	if err := h.hub.CreateGroup(name, hash, h.find(owner)); err != nil {
		h.tb.Fatalf("group %s: %v", name, err)
	}
	g, err := h.hub.Group(name)
	if err != nil {
		h.tb.Fatal(err)
	}
	for _, m := range members {
		if err := h.hub.Join(g.ID, h.find(m), nil); err != nil {
			h.tb.Fatalf("group %s: %s: %v", name, m, err)
		}
	}
}

// A peer is a client's connection, every read of which has a deadline.
type peer struct {
	*line.Client
	tb  testing.TB
	tls *tls.Conn
}

func (h *house) dial(protocol string) *peer {
	h.tb.Helper()
	cfg := tlsutil.ClientConfig(h.own.Pool(), "127.0.0.1", h.alpn[protocol])
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: cfg}
	nc, err := d.DialContext(h.tb.Context(), "tcp", h.addr[protocol])
	if err != nil {
		h.tb.Fatal(err)
	}
	h.tb.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return &peer{line.NewClient(nc), h.tb, nc.(*tls.Conn)}
}

// login dials and logs in.
func (h *house) login(protocol, name, password string) *peer {
	h.tb.Helper()
	p := h.dial(protocol)
	if protocol == ProtocolFiles {
		p.ask("USER "+name, "Masukkan password")
		p.ask("PASS "+password, "login berhasil")
	} else {
		p.ask("LOGIN "+name+" "+password, "login berhasil")
	}
	return p
}

// ask sends a command that must succeed with this text.
func (p *peer) ask(command, text string) line.Answer {
	p.tb.Helper()
	a, err := p.Do(command)
	if err != nil || a.Text != text {
		p.tb.Fatalf("%s: got %q, %v, want %q", command, a.Text, err, text)
	}
	return a
}

// next reads the line that comes next.
func (p *peer) next(want string) {
	p.tb.Helper()
	got, err := p.ReadLine()
	if err != nil || got != want {
		p.tb.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

// closed expects a regular end: a close_notify with nothing before it.
func (p *peer) closed() {
	p.tb.Helper()
	if got, err := p.ReadLine(); err != io.EOF {
		p.tb.Fatalf("got %q, %v, want the end", got, err)
	}
}

// cut breaks the connection without a close_notify.
func (p *peer) cut() {
	p.tls.NetConn().(*net.TCPConn).SetLinger(0)
	p.tls.NetConn().Close()
}

// eventually waits until something that another goroutine does has happened.
func eventually(tb testing.TB, what string, happened func() bool) {
	tb.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !happened(); <-tick.C {
		if time.Now().After(deadline) {
			tb.Fatalf("waited in vain: %s", what)
		}
	}
}

func sections(text string) map[string][]string {
	all := map[string][]string{}
	name := ""
	for l := range strings.Lines(text) {
		l = strings.TrimSuffix(l, "\n")
		if head, ok := strings.CutPrefix(l, "-- "); ok {
			name = strings.TrimSuffix(head, " --")
			continue
		}
		all[name] = append(all[name], l)
	}
	return all
}
