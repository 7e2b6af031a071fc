package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

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
const patience = 30 * time.Second

// A house is a server of a test's own, on real TLS listeners.
type house struct {
	*Server
	tb    testing.TB
	dir   string
	own   *tlsutil.Own
	store *store.Store
	addr  map[string]string // by protocol
	alpn  map[string]string
	stop  func() error               // what Shutdown returned
	certs map[string]tls.Certificate // that connections of a transcript show
}

// testConfig has cheap passwords, a short grace, no pace, no quota, of which
// nothing is said then, and keeps nothing of uploads that break off.
func testConfig() Config {
	cfg := Defaults()
	cfg.Accounts.HashMemory = 8 << 10
	cfg.Accounts.HashTime = 1
	cfg.Files.FreeReserve = 0
	cfg.Files.Quota, cfg.Files.QuotaFiles, cfg.Files.Partial = 0, 0, 0
	cfg.Chat.Rate = 0
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
	var clients *tlsutil.Clients
	if cfg.TLS.ClientAuth != ClientAuthOff {
		clients = &tlsutil.Clients{Required: cfg.TLS.ClientAuth == ClientAuthRequired, CAs: own.Pool()}
	}
	h := &house{
		certs: map[string]tls.Certificate{}, tb: tb, dir: dir, own: own, store: st,
		addr: map[string]string{},
		alpn: map[string]string{ProtocolChat: chat.ALPN, ProtocolFiles: files.ALPN},
	}
	h.Server, err = New(tb.Context(), Options{
		Config: cfg, Dir: dir, Accounts: st.Accounts(), Hub: st, Files: st, Log: log, Ping: st.Ping,
		TLS: func(alpn string) *tls.Config {
			return tlsutil.ConfigWithClients(own, alpn, func() *tlsutil.Clients { return clients })
		},
		Certificate: func(state tls.ConnectionState) (c account.Certificate) {
			if len(state.VerifiedChains) > 0 {
				c.Fingerprint = tlsutil.Fingerprint(state.PeerCertificates[0])
				c.Name, c.Issued, _ = own.Subject(state)
			}
			return c
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	listeners := map[string][]net.Listener{}
	for _, name := range []string{ProtocolChat, ProtocolFiles, ProtocolMetrics} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		h.addr[name] = l.Addr().String()
		listeners[name] = []net.Listener{l}
	}
	served := make(chan error, 1)
	go func() { served <- h.Serve(listeners) }()
	h.stop = sync.OnceValue(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(cfg.Limits.ShutdownGrace))
		defer cancel()
		stopped := h.Shutdown(ctx)
		select {
		case err := <-served:
			if err != ErrServerClosed {
				tb.Errorf("Serve: %v", err)
			}
		case <-time.After(patience):
			tb.Error("Serve doesn't return")
		}
		if err := st.Close(); err != nil {
			tb.Errorf("store: %v", err)
		}
		return stopped
	})
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

// certificate issues one for a client that is called name.
func (h *house) certificate(name string) tls.Certificate {
	h.tb.Helper()
	data, err := h.own.Issue(tlsutil.ForClient, []string{name})
	if err != nil {
		h.tb.Fatal(err)
	}
	cert, err := tls.X509KeyPair(data, data)
	if err != nil {
		h.tb.Fatal(err)
	}
	return cert
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
		if err := h.hub.Join(g.ID, h.find(m)); err != nil {
			h.tb.Fatalf("group %s: %s: %v", name, m, err)
		}
	}
}

// A peer is a client's connection, every read of which has a deadline.
type peer struct {
	*line.Client
	tb  testing.TB
	tls *tls.Conn // this one and the next are nil for an operator
	tcp net.Conn
}

func (h *house) dial(protocol string) *peer {
	h.tb.Helper()
	return h.dialBy(&net.Dialer{}, protocol)
}

// dialBy dials from an address or a socket of the caller's making.
func (h *house) dialBy(d *net.Dialer, protocol string) *peer {
	h.tb.Helper()
	p, err := h.tryDial(d, protocol)
	if err != nil {
		h.tb.Fatal(err)
	}
	return p
}

func (h *house) tryDial(d *net.Dialer, protocol string) (*peer, error) {
	return h.tryDialWith(d, protocol, nil)
}

// tryDialWith dials with a client certificate, if there is one.
func (h *house) tryDialWith(d *net.Dialer, protocol string, cert *tls.Certificate) (*peer, error) {
	ctx, cancel := context.WithTimeout(h.tb.Context(), patience)
	defer cancel()
	tcp, err := d.DialContext(ctx, "tcp", h.addr[protocol])
	if err != nil {
		return nil, err
	}
	h.tb.Cleanup(func() { tcp.Close() })
	tcp.SetDeadline(time.Now().Add(patience))
	config := tlsutil.ClientConfig(h.own.Pool(), "127.0.0.1", h.alpn[protocol])
	if cert != nil {
		config.Certificates = []tls.Certificate{*cert}
	}
	nc := tls.Client(strict{tcp}, config)
	if err := nc.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return &peer{line.NewClient(nc), h.tb, nc, tcp}, nil
}

// A strict connection ends with an error. crypto/tls, which reports an end
// between two records as io.EOF even where no close_notify has come, does pass
// that on.
type strict struct{ net.Conn }

var errTorn = errors.New("the connection ended without a close_notify")

func (s strict) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if err == io.EOF {
		err = errTorn
	}
	return n, err
}

// raw connects without TLS.
func (h *house) raw(protocol string) net.Conn {
	h.tb.Helper()
	nc, err := net.DialTimeout("tcp", h.addr[protocol], patience)
	if err != nil {
		h.tb.Fatal(err)
	}
	h.tb.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return nc
}

// operator speaks the operator's protocol.
func (h *house) operator() *peer {
	h.tb.Helper()
	here, there := net.Pipe()
	h.Handle(ProtocolAdmin, there)
	h.tb.Cleanup(func() { here.Close() })
	here.SetDeadline(time.Now().Add(patience))
	return &peer{line.NewClient(here), h.tb, nil, nil}
}

// operate has the operator do something.
func (h *house) operate(command, text string) {
	h.tb.Helper()
	o := h.operator()
	o.ask(command, text)
	o.Close()
}

// login dials and logs in.
func (h *house) login(protocol, name, password string) *peer {
	h.tb.Helper()
	return h.loginBy(&net.Dialer{}, protocol, name, password)
}

func (h *house) loginBy(d *net.Dialer, protocol, name, password string) *peer {
	h.tb.Helper()
	p := h.dialBy(d, protocol)
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

// refused sends a command that must be refused with this text.
func (p *peer) refused(command, text string) {
	p.tb.Helper()
	if _, err := p.Do(command); err != line.Refusal(text) {
		p.tb.Fatalf("%.80s: got %v, want %q", command, err, text)
	}
}

// put stores a file.
func (p *peer) put(name, content string) {
	p.tb.Helper()
	p.ask("ALLO "+strconv.Itoa(len(content)), strconv.Itoa(len(content)))
	p.ask("PUT "+name, "Silakan kirim")
	io.WriteString(p, content)
	p.next("[OK] Berkas tersimpan")
}

// get fetches a file.
func (p *peer) get(name string) string {
	p.tb.Helper()
	a, err := p.Do("RETR " + name)
	if err != nil {
		p.tb.Fatalf("RETR %s: %v", name, err)
	}
	return p.data(a.Bytes)
}

// data reads the data of an answer.
func (p *peer) data(n int64) string {
	p.tb.Helper()
	var content strings.Builder
	if err := p.ReadData(&content, n); err != nil {
		p.tb.Fatalf("after %d of %d bytes: %v", content.Len(), n, err)
	}
	return content.String()
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

// leave expects a regular end, and closes in turn.
func (p *peer) leave() {
	p.tb.Helper()
	p.closed()
	p.Close()
}

// cut breaks the connection without a close_notify.
func (p *peer) cut() {
	p.tcp.(*net.TCPConn).SetLinger(0)
	p.tcp.Close()
}

// change reloads the configuration with a change.
func (h *house) change(what func(c *Config)) []string {
	h.tb.Helper()
	cfg := *h.config.Load()
	what(&cfg)
	restart, err := h.Reload(cfg)
	if err != nil {
		h.tb.Fatal(err)
	}
	return restart
}

// clients counts the connections that are open, by what the server knows.
func (h *house) clients() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.open)
}

// on is where the tree of an account is on the disk.
func (h *house) on(name, place string) string {
	h.tb.Helper()
	return filepath.Join(h.dir, "files", strconv.FormatInt(h.find(name).ID, 10), place)
}

// onGroup is where the tree of a group is on the disk.
func (h *house) onGroup(name, place string) string {
	h.tb.Helper()
	g, err := h.hub.Group(name)
	if err != nil {
		h.tb.Fatal(err)
	}
	return filepath.Join(h.dir, "groups", strconv.FormatInt(g.ID, 10), place)
}

// empty demands that a directory be there with nothing in it.
func empty(tb testing.TB, dir string) {
	tb.Helper()
	if all, err := os.ReadDir(dir); err != nil || len(all) > 0 {
		tb.Errorf("%s: %v, %v", dir, all, err)
	}
}

// noise is text of n bytes in which no two places look the same.
func noise(n int) string {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return string(b)
}

// narrow dials with a receive buffer that is soon full.
var narrow = &net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
	failed := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10) })
	return errors.Join(failed, err)
}}

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
