package files

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posko/server/account"
	"posko/server/hub"
	"posko/server/line"
	"posko/server/sandbox"
	"posko/server/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// A house is everything behind the file protocol, and a listener before it. The
// transcripts of package server run the protocol over TLS; here is what a
// transcript can't do or see.
type house struct {
	Options
	t        testing.TB
	trees    string // the directory of the accounts' trees
	listener net.Listener
	conns    chan *line.Conn // accepted, in their order
	served   chan error      // how they ended
	log      *record
}

// A record is a log that may be read while it is written.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *record) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text.Reset()
}

// The rules say how a house is built.
type rules struct {
	reserve  int64
	accounts func(account.Store) account.Store // what the directory is given
}

func newHouse(t testing.TB, r rules) *house {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	h := &house{
		t: t, trees: filepath.Join(dir, "files"), log: new(record),
		conns: make(chan *line.Conn, 64), served: make(chan error, 64),
	}
	log := slog.New(slog.NewTextHandler(h.log, nil))
	var accounts account.Store = db.Accounts()
	if r.accounts != nil {
		accounts = r.accounts(accounts)
	}
	h.Accounts, err = account.New(accounts, account.Options{Cost: account.Cost{Memory: 8, Time: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	h.Hub, err = hub.New(t.Context(), hub.Options{Store: db, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Hub.Close)
	h.Disk, err = sandbox.Open(h.trees, db, sandbox.Options{Reserve: r.reserve})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Disk.Close() })
	h.Groups, err = sandbox.Open(filepath.Join(dir, "groups"), nil, sandbox.Options{Reserve: r.reserve})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Groups.Close() })
	h.listener, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.Xferlog = NewXferlog(log)
	t.Cleanup(func() { h.Xferlog.Use(nil) })
	dialect := New(h.Options)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			nc, err := h.listener.Accept()
			if err != nil {
				return
			}
			c := line.NewConn(nc, &line.Options{MaxErrors: 10, Log: log}, 0)
			h.conns <- c
			all.Add(1)
			dialect.Start(ctx, c, func(err error) {
				h.served <- err
				all.Done()
			})
		}
	})
	t.Cleanup(func() {
		h.listener.Close()
		cancel()
		all.Wait()
	})
	return h
}

// add makes an account.
func (h *house) add(name, password string) account.Account {
	h.t.Helper()
	a, err := h.Accounts.Add(h.t.Context(), name, password)
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// A guest is a client.
type guest struct {
	*line.Client
	nc   net.Conn
	conn *line.Conn // the server's end
	t    testing.TB
}

func (h *house) dial() *guest {
	h.t.Helper()
	nc, err := net.Dial("tcp", h.listener.Addr().String())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return &guest{line.NewClient(nc), nc, <-h.conns, h.t}
}

func (h *house) login(name, password string) *guest {
	h.t.Helper()
	g := h.dial()
	g.says("USER "+name, "[OK] Masukkan password")
	g.says("PASS "+password, "[OK] login berhasil")
	return g
}

// gone waits until a connection has ended.
func (h *house) gone() {
	h.t.Helper()
	select {
	case <-h.served:
	case <-time.After(patience):
		h.t.Fatal("the connection has not ended")
	}
}

// says sends a line and wants the reply.
func (g *guest) says(send, want string) {
	g.t.Helper()
	if err := g.Send(send); err != nil {
		g.t.Fatal(err)
	}
	g.hears(want)
}

func (g *guest) hears(want string) {
	g.t.Helper()
	got, err := g.ReadLine()
	if err != nil || got != want {
		g.t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

// closed wants the connection's regular end.
func (g *guest) closed() {
	g.t.Helper()
	if got, err := g.ReadLine(); err != io.EOF {
		g.t.Fatalf("got %q, %v; want the end", got, err)
	}
}

// put stores a file.
func (g *guest) put(name, content string) {
	g.t.Helper()
	n := strconv.Itoa(len(content))
	g.says("ALLO "+n, "[OK] "+n)
	g.says("PUT "+name, "[OK] Silakan kirim")
	if _, err := io.WriteString(g, content); err != nil {
		g.t.Fatal(err)
	}
	g.hears("[OK] Berkas tersimpan")
}

// on returns the names on the disk in one of the account's directories.
func (h *house) on(a account.Account, dir string) []string {
	h.t.Helper()
	entries, err := os.ReadDir(filepath.Join(h.trees, strconv.FormatInt(a.ID, 10), dir))
	if err != nil {
		h.t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
