package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"posko/server/line"
	"posko/tlsutil"
)

// stopping begins a shutdown and returns where its result will come.
func (h *house) stopping() <-chan error {
	h.tb.Helper()
	result := make(chan error, 1)
	go func() { result <- h.stop() }()
	eventually(h.tb, "the shutdown begins", h.isStopping)
	return result
}

// within waits for the end of what returns its result there.
func within(tb testing.TB, limit time.Duration, result <-chan error) error {
	tb.Helper()
	select {
	case err := <-result:
		return err
	case <-time.After(limit):
		tb.Fatalf("no end within %v", limit)
		return nil
	}
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Limits.ShutdownGrace = Duration(time.Minute)
	h := newHouse(t, cfg)
	h.user("ani", "rahasia1")
	idle := []*peer{
		h.dial(ProtocolChat), h.dial(ProtocolFiles),
		h.login(ProtocolChat, "ani", "rahasia1"), h.login(ProtocolFiles, "ani", "rahasia1"),
	}
	for _, p := range idle[:2] {
		p.ask("HELP EXIT", "1 baris") // the handshake is over
	}
	result := h.stopping()
	for _, p := range idle {
		p.next("[INFO] Server berhenti")
		p.leave()
	}
	if err := within(t, patience, result); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if n := h.clients(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

// A transfer that is under way ends whole, and only then the session.
func TestShutdownTransfers(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Limits.ShutdownGrace = Duration(time.Minute)
	h := newHouse(t, cfg)
	h.user("ani", "rahasia1")
	content := noise(8 << 20) // more than sockets hold
	up := h.login(ProtocolFiles, "ani", "rahasia1")
	up.put("turun", content)
	up.ask("ALLO 1000", "1000")
	up.ask("PUT naik", "Silakan kirim")
	io.WriteString(up, content[:500])
	typing := h.login(ProtocolFiles, "ani", "rahasia1")
	typing.ask("PUT ketik", `Kirim isi berkas, akhiri dengan baris "."`)
	typing.Send("satu")
	down := h.loginBy(narrow, ProtocolFiles, "ani", "rahasia1")
	a, err := down.Do("RETR turun")
	if err != nil {
		t.Fatal(err)
	}
	result := h.stopping()

	io.WriteString(up, content[500:1000])
	typing.Send("dua\n.")
	for _, p := range []*peer{up, typing} {
		p.next("[OK] Berkas tersimpan")
		p.next("[INFO] Server berhenti")
		p.leave()
	}
	if down.data(a.Bytes) != content {
		t.Error("the download is not whole")
	}
	down.next("[INFO] Server berhenti")
	down.leave()
	if err := within(t, patience, result); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	h = openHouse(t, testConfig(), h.dir)
	again := h.login(ProtocolFiles, "ani", "rahasia1")
	if again.get("naik") != content[:1000] || again.get("ketik") != "satu\ndua\n" {
		t.Error("an upload is not whole")
	}
}

// What hasn't ended when the grace has is cut off, and nothing of it is seen.
func TestShutdownGrace(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Limits.ShutdownGrace = Duration(200 * time.Millisecond)
	h := newHouse(t, cfg)
	h.user("ani", "rahasia1")
	up := h.login(ProtocolFiles, "ani", "rahasia1")
	up.put("besar", noise(16<<20))
	up.ask("ALLO 1000", "1000")
	up.ask("PUT naik", "Silakan kirim")
	io.WriteString(up, noise(999))
	stuck := h.loginBy(narrow, ProtocolFiles, "ani", "rahasia1")
	if _, err := stuck.Do("RETR besar"); err != nil {
		t.Fatal(err)
	}
	data, tmp := h.on("ani", "data"), h.on("ani", "tmp")

	err := within(t, 5*time.Second, h.stopping())
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v, want that the grace is over", err)
	}
	for _, p := range []*peer{up, stuck} {
		if _, err := io.Copy(io.Discard, p.tls); err == nil {
			t.Error("a transfer that was cut off ended as if it were whole")
		}
	}
	empty(t, tmp)
	all, err := os.ReadDir(data)
	if err != nil || len(all) != 1 {
		t.Errorf("published: %v, %v", all, err)
	}
}

// A connection that comes after the shutdown has begun is not served.
func TestShutdownLate(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia1")
	holding := h.login(ProtocolFiles, "ani", "rahasia1")
	holding.ask("ALLO 1", "1")
	holding.ask("PUT a", "Silakan kirim")
	late, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	result := h.stopping()

	if nc, err := net.DialTimeout("tcp", h.addr[ProtocolChat], patience); err == nil {
		t.Error("the port is still open")
		nc.Close()
	}
	mine, err := net.Dial("tcp", late.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	theirs, err := late.Accept()
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the doors are shut", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.shut
	})
	h.Handle(ProtocolChat, theirs)
	mine.SetDeadline(time.Now().Add(patience))
	if n, err := mine.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read %d bytes, %v, want the end", n, err)
	}
	if n := h.clients(); n != 1 {
		t.Errorf("%d connections are served, want that which holds the shutdown up", n)
	}
	if n := h.counted(); n != 1 {
		t.Errorf("%d connections are counted, want 1", n)
	}
	io.WriteString(holding, "x")
	if err := within(t, patience, result); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// A handshake that is under way comes to its end, and its client hears why it
// is not served.
func TestShutdownAtTheDoor(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	nc := h.raw(ProtocolChat)
	eventually(t, "it is accepted", func() bool { return h.clients() == 1 })
	result := h.stopping()
	eventually(t, "the doors are shut", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.shut
	})
	conn := tls.Client(strict{nc}, tlsutil.ClientConfig(h.own.Pool(), "127.0.0.1", h.alpn[ProtocolChat]))
	p := &peer{line.NewClient(conn), t, conn, nc}
	p.next("[INFO] Server berhenti")
	p.leave()
	if err := within(t, patience, result); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// Handshakes that don't get on hold nobody up.
func TestShutdownHandshakes(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Limits.ShutdownGrace = Duration(time.Minute)
	cfg.Limits.Handshakes = 2
	cfg.Limits.HandshakeTimeout = Duration(time.Minute)
	h := newHouse(t, cfg)
	for range 10 {
		h.raw(ProtocolChat)
		h.raw(ProtocolFiles).Write(clientHello(t)[:100])
	}
	eventually(t, "all are accepted", func() bool { return h.clients() == 20 })
	if err := within(t, patience, h.stopping()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// A client that has sent more than was run still gets all that it was answered.
func TestShutdownPipeline(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Limits.ShutdownGrace = Duration(time.Minute)
	h := newHouse(t, cfg)
	h.user("ani", "rahasia1")
	p := h.login(ProtocolChat, "ani", "rahasia1")
	const sent = 20_000
	go io.WriteString(p.tls, strings.Repeat("SEND ani x\n", sent))
	p.next("[OK] pesan terkirim")
	result := h.stopping()
	var all bytes.Buffer
	if _, err := io.Copy(&all, p.tls); err != nil {
		t.Errorf("after %d lines: %v", bytes.Count(all.Bytes(), []byte("\n")), err)
	}
	p.Close()
	if !bytes.HasSuffix(all.Bytes(), []byte("\n[INFO] Server berhenti\n")) {
		t.Errorf("the last words are %.80q", all.Bytes()[max(0, all.Len()-80):])
	}
	if err := within(t, patience, result); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}
