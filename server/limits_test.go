package server

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counted is how many connections count towards the limits.
func (h *house) counted() int {
	h.limits.mu.Lock()
	defer h.limits.mu.Unlock()
	return h.limits.all
}

// accepted is how many connections there ever were.
func (h *house) accepted() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lastID
}

// clientHello is what a TLS client says first.
func clientHello(tb testing.TB) []byte {
	tb.Helper()
	here, there := net.Pipe()
	defer there.Close()
	go func() {
		tls.Client(here, &tls.Config{ServerName: "posko"}).Handshake()
		here.Close()
	}()
	there.SetDeadline(time.Now().Add(patience))
	hello := make([]byte, 16<<10)
	n, err := there.Read(hello) // a record is written at once
	if err != nil || n < 200 {
		tb.Fatalf("no ClientHello: %d bytes, %v", n, err)
	}
	return hello[:n]
}

func TestPrefixOf(t *testing.T) {
	for addr, want := range map[net.Addr]string{
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}:               "192.0.2.1/32",
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1).To4(), Port: 2}:         "192.0.2.1/32",
		&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.1"), Port: 3}:      "192.0.2.1/32",
		&net.TCPAddr{IP: net.ParseIP("2001:db8:1:2:3:4:5:6"), Port: 4}:  "2001:db8:1:2::/64",
		&net.TCPAddr{IP: net.ParseIP("2001:db8:1:2:ffff::1"), Port: 5}:  "2001:db8:1:2::/64",
		&net.TCPAddr{IP: net.ParseIP("2001:db8:1:3::1"), Port: 6}:       "2001:db8:1:3::/64",
		&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 7, Zone: "eth0"}: "fe80::/64",
		&net.TCPAddr{IP: net.ParseIP("::1"), Port: 8}:                   "::/64",
		text("[::ffff:192.0.2.1]:9"):                                    "192.0.2.1/32",
		text("[::ffff:192.0.2.1%x]:9"):                                  "192.0.2.1/32",
		&net.UnixAddr{Name: "/run/x", Net: "unix"}:                      netip.Prefix{}.String(),
		text("pipe"):   netip.Prefix{}.String(),
		&net.TCPAddr{}: netip.Prefix{}.String(),
	} {
		if got := prefixOf(addr).String(); got != want {
			t.Errorf("%v: got %s, want %s", addr, got, want)
		}
	}
}

// A text is an address that reads so.
type text string

func (text) Network() string  { return "text" }
func (t text) String() string { return string(t) }

// However many come at once, exactly as many are admitted as may be.
func TestAdmit(t *testing.T) {
	l := newLimits(slog.New(slog.DiscardHandler))
	l.set(25, 10)
	var admitted [3]atomic.Int64
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			if _, ok := l.admit(&net.TCPAddr{IP: net.IPv4(192, 0, 2, byte(i%3)), Port: i}); ok {
				admitted[i%3].Add(1)
			}
		})
	}
	all.Wait()
	sum := int64(0)
	for i := range admitted {
		n := admitted[i].Load()
		if n > 10 {
			t.Errorf("%d of one address", n)
		}
		sum += n
	}
	if sum != 25 {
		t.Errorf("%d in all", sum)
	}
	l.set(0, 0)
	for i := range 100 {
		if _, ok := l.admit(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 0), Port: i}); !ok {
			t.Fatal("refused without a limit")
		}
	}
}

func TestLimits(t *testing.T) {
	for name, set := range map[string]func(*Limits){
		"total":   func(l *Limits) { l.Connections = 8 },
		"address": func(l *Limits) { l.PerAddress = 8 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig()
			set(&cfg.Limits)
			h := newHouse(t, cfg)
			served := make(chan bool, 40)
			for i := range cap(served) {
				go func() {
					protocol := []string{ProtocolChat, ProtocolFiles}[i%2]
					p, err := h.tryDial(&net.Dialer{}, protocol)
					if err == nil {
						_, err = p.Do("HELP EXIT")
					}
					served <- err == nil
				}()
			}
			n := 0
			for range cap(served) {
				if <-served {
					n++
				}
			}
			if n != 8 {
				t.Errorf("%d connections were served, want 8", n)
			}
			p, err := h.tryDial(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}, ProtocolChat)
			if other := err == nil; other != (name == "address") {
				t.Errorf("from another address: %v", err)
			} else if other {
				p.ask("PING", "PONG")
			}
			h.operator().ask("PING", "PONG") // whatever strangers do
		})
	}
}

// Whatever way a connection ends, its place is free again.
func TestLimitsRelease(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Limits.Connections = 1
	h := newHouse(t, cfg)
	h.user("ani", "rahasia1")
	for name, end := range map[string]func(h *house){
		"EXIT": func(h *house) {
			p := h.login(ProtocolChat, "ani", "rahasia1")
			p.ask("EXIT", "Sampai jumpa")
			p.leave()
		},
		"close": func(h *house) { h.login(ProtocolFiles, "ani", "rahasia1").Close() },
		"break": func(h *house) { h.login(ProtocolChat, "ani", "rahasia1").cut() },
		"login timeout": func(h *house) {
			h.change(func(c *Config) { c.Login.Timeout = Duration(50 * time.Millisecond) })
			p := h.dial(ProtocolFiles)
			p.next("[INFO] Waktu login habis")
			p.leave()
		},
		"handshake timeout": func(h *house) {
			h.change(func(c *Config) { c.Limits.HandshakeTimeout = Duration(50 * time.Millisecond) })
			h.raw(ProtocolChat)
		},
		"no TLS": func(h *house) { io.WriteString(h.raw(ProtocolChat), "LOGIN ani rahasia1\n") },
		"errors": func(h *house) {
			p := h.dial(ProtocolChat)
			for range 10 {
				p.refused("APA", "Perintah tidak dikenal")
			}
			p.next("[INFO] Terlalu banyak perintah sebelum login")
			p.leave()
		},
		"browser": func(h *house) {
			p := h.dial(ProtocolChat)
			p.Send("GET / HTTP/1.1")
			p.leave()
		},
		"refused PUT": func(h *house) {
			p := h.login(ProtocolFiles, "ani", "rahasia1")
			p.refused("PUT /", "Bukan berkas")
			p.leave()
		},
		"broken PUT": func(h *house) {
			p := h.login(ProtocolFiles, "ani", "rahasia1")
			p.ask("ALLO 10", "10")
			p.ask("PUT a", "Silakan kirim")
			p.cut()
		},
		"operator": func(h *house) {
			p := h.login(ProtocolChat, "ani", "rahasia1")
			h.operate("USERPASSWD ani rahasia1", "password changed, sessions ended")
			p.next("[INFO] Password Anda diganti")
			p.leave()
		},
	} {
		t.Run(name, func(t *testing.T) {
			h.tb = t
			before := h.accepted()
			end(h)
			eventually(t, "it has come and gone", func() bool { return h.accepted() > before && h.counted() == 0 })
			h.limits.mu.Lock()
			if n := len(h.limits.of); n != 0 {
				t.Errorf("%d addresses are remembered", n)
			}
			h.limits.mu.Unlock()
			h.change(func(c *Config) { *c = cfg })
			p := h.dial(ProtocolChat)
			p.ask("PING", "PONG")
			p.Close()
			eventually(t, "it has gone", func() bool { return h.clients() == 0 && h.counted() == 0 })
		})
	}
	h.tb = t
}

// Hundreds of strangers who begin a handshake and don't go on keep nobody out,
// however few handshakes may compute at once.
func TestStrangers(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Limits.Handshakes = 2
	cfg.Limits.HandshakeTimeout = Duration(time.Minute)
	h := newHouse(t, cfg)
	h.user("ani", "rahasia1")
	hello := clientHello(t)
	for i := range 100 {
		h.raw(ProtocolChat)
		h.raw(ProtocolFiles)
		// Half of them get the server's answer, and never say theirs.
		h.raw(ProtocolChat).Write(hello[:len(hello)-i%2])
	}
	eventually(t, "all are accepted", func() bool { return h.clients() == 300 })
	h.login(ProtocolChat, "ani", "rahasia1").ask("SEND ani halo", "pesan terkirim")
	h.login(ProtocolFiles, "ani", "rahasia1").put("a", "isi")
	if n := h.clients(); n != 302 {
		t.Errorf("%d connections, want the strangers' still among them", n)
	}
}

// What is no TLS is sent away without a word of the protocol.
func TestGarbage(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Limits.HandshakeTimeout = Duration(time.Second)
	h := newHouse(t, cfg)
	hello := clientHello(t)
	record := func(kind byte, body []byte) []byte {
		return append([]byte{kind, 3, 1, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	huge := []byte{1, 0xff, 0xff, 0xff} // a ClientHello of 16 MiB
	for name, sent := range map[string][]byte{
		"nothing":          nil,
		"plain":            []byte("LOGIN ani rahasia1\nHELP\n"),
		"HTTP":             []byte("GET / HTTP/1.1\r\nHost: posko\r\n\r\n"),
		"zeros":            make([]byte, 64<<10),
		"noise":            []byte(noise(64 << 10)),
		"SSLv2":            append([]byte{0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10}, noise(37)...),
		"huge record":      append([]byte{22, 3, 1, 0xff, 0xff}, noise(0xffff)...),
		"huge ClientHello": record(22, append(huge, noise(16<<10-4)...)),
		"empty records":    bytes.Repeat(record(22, nil), 10_000),
		"alerts":           bytes.Repeat(record(21, []byte{1, 0}), 1000),
		"no data":          record(23, []byte("HELP\n")),
		"half":             hello[:len(hello)/2],
		"byte":             hello[:1],
		"hello, then text": append(bytes.Clone(hello), "HELP\n"...),
	} {
		for _, protocol := range []string{ProtocolChat, ProtocolFiles} {
			nc := h.raw(protocol)
			nc.Write(sent) // fails where the server has closed before the end
			t.Run(protocol+"/"+name, func(t *testing.T) {
				t.Parallel()
				nc.SetDeadline(time.Now().Add(patience)) // it may have waited for its turn
				got, err := io.ReadAll(nc)
				var late net.Error
				if errors.As(err, &late) && late.Timeout() {
					t.Error("the connection is still open")
				}
				if bytes.Contains(got, []byte("[")) && !bytes.HasPrefix(got, []byte{22}) {
					t.Errorf("answered %q", got)
				}
			})
		}
	}
	t.Cleanup(func() {
		eventually(t, "nothing is left of them", func() bool { return h.clients() == 0 && h.counted() == 0 })
	})
}

func TestALPN(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	for _, try := range []struct {
		protocol string
		names    []string
		version  uint16
		ok       bool
	}{
		{ProtocolChat, []string{"posko-chat"}, tls.VersionTLS13, true},
		{ProtocolChat, []string{"h2", "posko-chat"}, tls.VersionTLS12, true},
		{ProtocolChat, nil, tls.VersionTLS13, true},
		{ProtocolChat, nil, tls.VersionTLS12, true},
		{ProtocolChat, nil, tls.VersionTLS11, false},
		{ProtocolChat, []string{"posko-files"}, tls.VersionTLS13, false},
		{ProtocolChat, []string{"posko-files"}, tls.VersionTLS12, false},
		{ProtocolChat, []string{"h2", "http/1.1"}, tls.VersionTLS13, false},
		{ProtocolFiles, []string{"posko-files"}, tls.VersionTLS13, true},
		{ProtocolFiles, nil, tls.VersionTLS13, true},
		{ProtocolFiles, []string{"posko-chat"}, tls.VersionTLS13, false},
		{ProtocolFiles, []string{"http/1.1"}, tls.VersionTLS12, false},
	} {
		nc := tls.Client(h.raw(try.protocol), &tls.Config{
			RootCAs: h.own.Pool(), ServerName: "127.0.0.1", NextProtos: try.names,
			MinVersion: try.version, MaxVersion: try.version,
		})
		_, err := io.WriteString(nc, "EXIT\n")
		var got []byte
		if err == nil {
			got, err = io.ReadAll(nc)
		}
		if ok := err == nil && string(got) == "[OK] Sampai jumpa\n"; ok != try.ok || !ok && len(got) > 0 {
			t.Errorf("%s, %q, %x: got %q, %v", try.protocol, try.names, try.version, got, err)
		}
	}
}

// Wrong passwords are counted by account and address, and by address, whatever
// the protocol and the connection.
func TestThrottle(t *testing.T) {
	t.Parallel()
	const (
		wrong     = "Password yang dimasukkan salah"
		throttled = "Terlalu banyak percobaan, coba lagi nanti"
	)
	from := func(i byte) *net.Dialer {
		return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, i)}}
	}
	cfg := testConfig()
	cfg.Login.FailuresPerPair, cfg.Login.FailuresPerAddress = 3, 5
	h := newHouse(t, cfg)
	h.user("ani", "rahasia1")
	h.user("budi", "rahasia2")

	p := h.dialBy(from(2), ProtocolChat)
	p.refused("LOGIN ani salah", wrong)
	p = h.dialBy(from(2), ProtocolFiles)
	p.ask("USER ANI", "Masukkan password")
	p.refused("PASS salah", "Username atau password salah")
	p.refused("PASS salah", "Username atau password salah")
	p.refused("PASS rahasia1", throttled)
	p = h.dialBy(from(2), ProtocolChat)
	p.refused("LOGIN ani rahasia1", throttled)
	h.loginBy(from(2), ProtocolChat, "budi", "rahasia2")
	h.loginBy(from(3), ProtocolFiles, "ani", "rahasia1")

	p = h.dialBy(from(4), ProtocolChat)
	for i := range 5 {
		p.refused("LOGIN siapa"+strconv.Itoa(i)+" salah", "Username belum tersedia")
	}
	p.refused("LOGIN budi rahasia2", throttled)
	p = h.dialBy(from(4), ProtocolFiles)
	p.ask("USER budi", "Masukkan password")
	p.refused("PASS rahasia2", throttled)
	h.loginBy(from(5), ProtocolFiles, "budi", "rahasia2")
}

// A right password clears what was counted against the account's address.
func TestThrottleCleared(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Login.FailuresPerPair, cfg.Login.FailuresPerAddress = 3, 0
	h := newHouse(t, cfg)
	h.user("ani", "rahasia1")
	p := h.dial(ProtocolChat)
	for range 4 {
		p.refused("LOGIN ani salah", "Password yang dimasukkan salah")
		p.refused("LOGIN ani salah", "Password yang dimasukkan salah")
		p.ask("LOGIN ani rahasia1", "login berhasil")
		p.ask("LOGOUT", "Logout berhasil")
	}
}
