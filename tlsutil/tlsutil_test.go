package tlsutil

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

const testALPN = "posko-test"

var discard = slog.New(slog.DiscardHandler)

func openOwn(t *testing.T, dir string, names ...string) *Own {
	t.Helper()
	own, err := OpenOwn(dir, names, discard)
	if err != nil {
		t.Fatal(err)
	}
	return own
}

// serveConn greets and echoes.
func serveConn(conn net.Conn, config *tls.Config) error {
	defer conn.Close()
	tc := tls.Server(conn, config)
	if err := tc.Handshake(); err != nil {
		return err
	}
	if _, err := io.WriteString(tc, "hai\n"); err != nil {
		return err
	}
	_, err := io.Copy(tc, tc)
	return err
}

// listen serves on the loopback until the test ends. What its connections ended
// with comes out of the channel.
func listen(t *testing.T, config *tls.Config) (addr string, ends <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := make(chan error, 100)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			wg.Go(func() { c <- serveConn(conn, config) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().String(), c
}

// greet does a whole handshake, up to the server's first line: in TLS 1.3 a
// client learns no sooner whether it was refused.
func greet(conn net.Conn, config *tls.Config) (*tls.Conn, error) {
	tc := tls.Client(conn, config)
	line, err := bufio.NewReader(tc).ReadString('\n')
	if err == nil && line != "hai\n" {
		err = errors.New("greeted with " + line)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return tc, nil
}

// dial returns a connection that lasts until the test ends.
func dial(t *testing.T, addr string, config *tls.Config) (*tls.Conn, error) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return greet(conn, config)
}

func mustDial(t *testing.T, addr string, config *tls.Config) *tls.Conn {
	t.Helper()
	conn, err := dial(t, addr, config)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func echo(t *testing.T, conn *tls.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, "tes"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "tes" {
		t.Fatalf("echo: %q, %v", got, err)
	}
}

// serial tells one certificate of a connection from another.
func serial(conn *tls.Conn) string {
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func write(t *testing.T, name string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

// alert is what the other side has refused a handshake with.
func alert(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return op.Err.Error()
	}
	return ""
}

// A logBuffer collects what several goroutines log.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// Take returns what has been logged since the last Take.
func (b *logBuffer) Take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.buf.Reset()
	return b.buf.String()
}

func (b *logBuffer) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func TestALPN(t *testing.T) {
	own := openOwn(t, t.TempDir())
	addr, _ := listen(t, Config(own, testALPN))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, c := range []struct {
			offer  []string
			refuse bool
		}{
			{nil, false},
			{[]string{testALPN}, false},
			{[]string{"h2", testALPN}, false},
			{[]string{"h2"}, true},
			{[]string{"http/1.1"}, true},
			{[]string{"h2", "http/1.1"}, true},
			{[]string{"posko-other"}, true},
		} {
			config := ClientConfig(own.Pool(), "localhost", testALPN)
			config.NextProtos, config.MaxVersion = c.offer, version
			conn, err := dial(t, addr, config)
			switch {
			case c.refuse && alert(err) != "tls: no application protocol":
				t.Errorf("%s, offering %q: got %v, want to be refused", tls.VersionName(version), c.offer, err)
			case !c.refuse && err != nil:
				t.Errorf("%s, offering %q: %v", tls.VersionName(version), c.offer, err)
			case !c.refuse && c.offer != nil && conn.ConnectionState().NegotiatedProtocol != testALPN:
				t.Errorf("%s, offering %q: negotiated %q", tls.VersionName(version), c.offer, conn.ConnectionState().NegotiatedProtocol)
			}
		}
	}
}

func TestPolicy(t *testing.T) {
	own := openOwn(t, t.TempDir())
	addr, _ := listen(t, Config(own, testALPN))
	for _, c := range []struct {
		name   string
		change func(*tls.Config)
		serve  bool
	}{
		{"as it is", func(c *tls.Config) {}, true},
		{"1.2", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, true},
		{"1.1", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, false},
		{"1.2 with ChaCha20", func(c *tls.Config) {
			c.MaxVersion = tls.VersionTLS12
			c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}
		}, true},
		{"1.2 with CBC", func(c *tls.Config) {
			c.MaxVersion = tls.VersionTLS12
			c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}
		}, false},
		{"hybrid only", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768} }, true},
		{"X25519 only", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} }, true},
		{"P-256 only", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256} }, true},
		{"P-384 only", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP384} }, false},
	} {
		config := ClientConfig(own.Pool(), "127.0.0.1", testALPN)
		c.change(config)
		conn, err := dial(t, addr, config)
		switch {
		case c.serve && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case !c.serve && alert(err) == "":
			t.Errorf("%s: got %v, want an alert", c.name, err)
		case c.name == "as it is":
			if id := conn.ConnectionState().CurveID; id != tls.X25519MLKEM768 {
				t.Errorf("key exchange %v, want the hybrid", id)
			}
		}
	}
}

// A ticket resumes a session of the protocol it came from, and of no other.
func TestTickets(t *testing.T) {
	own := openOwn(t, t.TempDir())
	addr, _ := listen(t, Config(own, testALPN))
	other, _ := listen(t, Config(own, testALPN))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := ClientConfig(own.Pool(), "localhost", testALPN)
		config.MaxVersion = version
		config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		if mustDial(t, addr, config).ConnectionState().DidResume {
			t.Errorf("%s: the first connection resumed", tls.VersionName(version))
		}
		if !mustDial(t, addr, config).ConnectionState().DidResume {
			t.Errorf("%s: the second connection did not resume", tls.VersionName(version))
		}
		if mustDial(t, other, config).ConnectionState().DidResume {
			t.Errorf("%s: resumed at another protocol", tls.VersionName(version))
		}
	}
}

// A writeSizes tells the sizes of what crypto/tls writes, which are records.
type writeSizes struct {
	net.Conn
	sizes chan int
}

func (w writeSizes) Write(p []byte) (int, error) {
	w.sizes <- len(p)
	return w.Conn.Write(p)
}

func TestRecordSize(t *testing.T) {
	own := openOwn(t, t.TempDir())
	c, s := net.Pipe()
	defer c.Close()
	defer s.Close()
	server := tls.Server(writeSizes{s, make(chan int, 100)}, Config(own, testALPN))
	go io.Copy(io.Discard, tls.Client(c, ClientConfig(own.Pool(), "localhost", testALPN)))
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	sizes := server.NetConn().(writeSizes).sizes
	for len(sizes) > 0 {
		<-sizes
	}
	if _, err := server.Write(make([]byte, 16<<10)); err != nil {
		t.Fatal(err)
	}
	if n := <-sizes; n < 16<<10 {
		t.Errorf("the first record is of %d bytes, want a full one", n)
	}
}

// openssl runs it with nothing on its standard input.
func openssl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatal(err)
	}
	return out.String(), err
}

func TestOpenSSLClient(t *testing.T) {
	own := openOwn(t, t.TempDir(), "pos.example.org", "192.0.2.7")
	addr, ends := listen(t, Config(own, testALPN))
	connect := []string{"s_client", "-brief", "-connect", addr, "-CAfile", own.CAFile(), "-verify_return_error"}
	for _, c := range []struct {
		name string
		args []string
		want string // in the output, if it is to succeed
	}{
		{"a host name", []string{"-verify_hostname", "localhost"}, "Verification: OK"},
		{"a given name", []string{"-verify_hostname", "pos.example.org"}, "Verification: OK"},
		{"a given address", []string{"-verify_ip", "192.0.2.7"}, "Verification: OK"},
		{"IPv4", []string{"-verify_ip", "127.0.0.1"}, "Verification: OK"},
		{"IPv6", []string{"-verify_ip", "::1"}, "Verification: OK"},
		{"another name", []string{"-verify_hostname", "other.example.org"}, ""},
		{"TLS 1.3", []string{"-tls1_3"}, "Protocol version: TLSv1.3"},
		{"TLS 1.2", []string{"-tls1_2"}, "Protocol version: TLSv1.2"},
		{"our ALPN", []string{"-alpn", testALPN}, "Verification: OK"},
		{"strict", []string{"-x509_strict"}, "Verification: OK"},
	} {
		out, err := openssl(t, append(connect, c.args...)...)
		if c.want == "" && err == nil || c.want != "" && (err != nil || !strings.Contains(out, c.want)) {
			t.Errorf("%s: %v\n%s", c.name, err, out)
		}
		<-ends
	}
	for _, c := range []struct {
		name, want string // what the server says
		args       []string
	}{
		// At its default level OpenSSL itself would refuse to offer 1.1.
		{"TLS 1.1", "unsupported versions", []string{"-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"}},
		{"h2", "unsupported application protocols", []string{"-alpn", "h2"}},
		{"no suite", "no cipher suite supported", []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA"}},
	} {
		out, err := openssl(t, append(connect, c.args...)...)
		end := <-ends
		if err == nil || end == nil || !strings.Contains(end.Error(), c.want) {
			t.Errorf("%s: %v, the server saw %v\n%s", c.name, err, end, out)
		}
	}
}
