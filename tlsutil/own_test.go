package tlsutil

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var ownFiles = []string{caKeyFile, caFile, serverFile}

func read(t *testing.T, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestOwnFacts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls", "own") // neither is there
	var logs logBuffer
	own, err := OpenOwn(dir, []string{"pos.example.org"}, logs.Logger())
	if err != nil {
		t.Fatal(err)
	}
	fingerprint, err := openssl(t, "x509", "-in", own.CAFile(), "-noout", "-fingerprint", "-sha256")
	if err != nil || strings.TrimSpace(fingerprint) != "sha256 Fingerprint="+Fingerprint(own.Certificate()) {
		t.Errorf("fingerprint %s, openssl says %s", Fingerprint(own.Certificate()), fingerprint)
	}
	if !strings.Contains(logs.Take(), Fingerprint(own.Certificate())) {
		t.Error("a new authority is not told of")
	}
	for _, c := range []struct {
		file string
		want []string
	}{
		{own.CAFile(), []string{
			"X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0\n",
			"X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n",
			"X509v3 Subject Key Identifier:", "ASN1 OID: prime256v1", "CN = posko authority of pos.example.org",
		}},
		{filepath.Join(dir, serverFile), []string{
			"X509v3 Basic Constraints: critical\n                CA:FALSE\n",
			"X509v3 Key Usage: critical\n                Digital Signature\n",
			"X509v3 Extended Key Usage: \n                TLS Web Server Authentication\n",
			"X509v3 Authority Key Identifier:", "ASN1 OID: prime256v1",
			"DNS:pos.example.org", "DNS:localhost", "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1",
		}},
	} {
		text, err := openssl(t, "x509", "-in", c.file, "-noout", "-text")
		if err != nil {
			t.Fatal(text)
		}
		// Newer versions write CN=name.
		text = strings.ReplaceAll(text, "CN=", "CN = ")
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q:\n%s", c.file, want, text)
			}
		}
	}
	if out, err := openssl(t, "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", own.CAFile(), filepath.Join(dir, serverFile)); err != nil {
		t.Errorf("verify: %s", out)
	}

	ca, leaf := own.Certificate(), own.served.Load().Leaf
	now := time.Now()
	for name, d := range map[string]time.Duration{
		"the authority began":   now.Sub(ca.NotBefore) - time.Hour,
		"the authority ends":    now.AddDate(10, 0, 0).Sub(ca.NotAfter),
		"the certificate began": now.Sub(leaf.NotBefore) - time.Hour,
		"the certificate ends":  now.AddDate(0, 0, 90).Sub(leaf.NotAfter),
	} {
		if d.Abs() > time.Minute {
			t.Errorf("%s %v from where it should", name, d)
		}
	}
	if leaf.SerialNumber.BitLen() < 100 {
		t.Errorf("serial number %x is short", leaf.SerialNumber)
	}
	for name, mode := range map[string]os.FileMode{"": 0o700, caKeyFile: 0o600, caFile: 0o644, serverFile: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != mode {
			t.Errorf("%s/%s has mode %o, want %o", dir, name, got, mode)
		}
	}
	for _, name := range []string{caKeyFile, serverFile} {
		if block, _ := pem.Decode(read(t, dir, name)); block == nil || block.Type != "PRIVATE KEY" {
			t.Errorf("%s does not begin with a PKCS #8 key", name)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(ownFiles) {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
}

// A client that was told the authority's fingerprint finds it in the chain.
func TestOwnChain(t *testing.T) {
	own := openOwn(t, t.TempDir())
	addr, _ := listen(t, Config(own, testALPN))
	chain := mustDial(t, addr, ClientConfig(own.Pool(), "localhost", testALPN)).ConnectionState().PeerCertificates
	if len(chain) != 2 || Fingerprint(chain[1]) != Fingerprint(own.Certificate()) {
		t.Errorf("a chain of %d certificates that doesn't end in the authority", len(chain))
	}
}

func TestOwnLongName(t *testing.T) {
	long := strings.Repeat("long.", 20) + "example"
	own := openOwn(t, t.TempDir(), long)
	leaf := own.served.Load().Leaf
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: own.Pool(), DNSName: long}); err != nil {
		t.Error(err)
	}
	for _, cert := range []*x509.Certificate{own.Certificate(), leaf} {
		if cn := cert.Subject.CommonName; cn == "" || len(cn) > 64 {
			t.Errorf("common name %q", cn)
		}
	}
}

// An unchanged directory is used as it is.
func TestOwnAgain(t *testing.T) {
	dir := t.TempDir()
	openOwn(t, dir, "a.example", "b.example")
	var before [][]byte
	for _, name := range ownFiles {
		before = append(before, read(t, dir, name))
	}
	openOwn(t, dir, "b.example", "a.example")
	for i, name := range ownFiles {
		if !bytes.Equal(before[i], read(t, dir, name)) {
			t.Errorf("%s has changed", name)
		}
	}
}

// Each set of files that can be there: those that a crash leaves are completed,
// those that mean a loss are refused and left alone.
func TestOwnMissing(t *testing.T) {
	whole := t.TempDir()
	openOwn(t, whole)
	for _, c := range []struct {
		has string
		ok  bool
	}{
		{"", true},
		{"ca.key", true},
		{"ca.key ca.pem", true},
		{"ca.key ca.pem server.pem", true},
		{"ca.pem", false},
		{"server.pem", false},
		{"ca.pem server.pem", false},
		{"ca.key server.pem", false},
	} {
		dir := t.TempDir()
		has := strings.Fields(c.has)
		for _, name := range has {
			write(t, filepath.Join(dir, name), read(t, whole, name), 0o600)
		}
		// A crash also leaves these behind.
		for _, name := range ownFiles {
			write(t, filepath.Join(dir, "."+name+".new"), []byte("half"), 0o600)
		}
		own, err := OpenOwn(dir, nil, discard)
		if (err == nil) != c.ok {
			t.Errorf("with %q: %v", c.has, err)
			continue
		}
		for _, name := range ownFiles {
			_, err := os.Stat(filepath.Join(dir, name))
			switch {
			case slices.Contains(has, name) && !bytes.Equal(read(t, dir, name), read(t, whole, name)):
				t.Errorf("with %q: %s has changed", c.has, name)
			case !c.ok && !slices.Contains(has, name) && err == nil:
				t.Errorf("with %q: refused, but %s has been made", c.has, name)
			}
		}
		if !c.ok {
			if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "restore ca.key and ca.pem") {
				t.Errorf("with %q: the error doesn't say what to do: %v", c.has, err)
			}
			continue
		}
		if _, err := own.served.Load().Leaf.Verify(x509.VerifyOptions{Roots: own.Pool(), DNSName: "localhost"}); err != nil {
			t.Errorf("with %q: %v", c.has, err)
		}
		openOwn(t, dir)
	}
}

func TestOwnBroken(t *testing.T) {
	other := t.TempDir()
	openOwn(t, other)
	for name, harm := range map[string]func(dir string) error{
		"another's ca.key": func(dir string) error {
			return os.Rename(filepath.Join(other, caKeyFile), filepath.Join(dir, caKeyFile))
		},
		"a broken ca.key": func(dir string) error { return os.WriteFile(filepath.Join(dir, caKeyFile), []byte("x"), 0o600) },
		"a broken ca.pem": func(dir string) error { return os.WriteFile(filepath.Join(dir, caFile), []byte("x"), 0o600) },
		"a broken ca.key alone": func(dir string) error {
			os.Remove(filepath.Join(dir, serverFile))
			os.Remove(filepath.Join(dir, caFile))
			return os.WriteFile(filepath.Join(dir, caKeyFile), []byte("x"), 0o600)
		},
		// As when the key is kept on a disk that isn't mounted.
		"a dangling link": func(dir string) error {
			for _, name := range ownFiles {
				os.Remove(filepath.Join(dir, name))
			}
			return os.Symlink(filepath.Join(dir, "nothing"), filepath.Join(dir, caKeyFile))
		},
		"no authority": func(dir string) error { // but a server's certificate and key
			data := read(t, dir, serverFile)
			key, chain := pem.Decode(data)
			os.Remove(filepath.Join(dir, serverFile))
			write(t, filepath.Join(dir, caFile), chain, 0o644)
			return os.WriteFile(filepath.Join(dir, caKeyFile), pem.EncodeToMemory(key), 0o600)
		},
	} {
		dir := t.TempDir()
		openOwn(t, dir)
		if err := harm(dir); err != nil {
			t.Fatal(err)
		}
		before, _ := os.Readlink(filepath.Join(dir, caKeyFile))
		if _, err := OpenOwn(dir, nil, discard); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "restore ca.key and ca.pem") {
			t.Errorf("%s: %v", name, err)
		}
		if after, _ := os.Readlink(filepath.Join(dir, caKeyFile)); after != before {
			t.Errorf("%s: the link has been replaced", name)
		}
	}

	// The server's own certificate can be replaced.
	foreign := t.TempDir()
	openOwn(t, foreign)
	for name, data := range map[string][]byte{"broken": []byte("x"), "another's": read(t, foreign, serverFile)} {
		dir := t.TempDir()
		first := openOwn(t, dir)
		write(t, filepath.Join(dir, serverFile), data, 0o600)
		second := openOwn(t, dir)
		if !first.Certificate().Equal(second.Certificate()) {
			t.Errorf("%s: a new authority", name)
		}
		if _, err := second.served.Load().Leaf.Verify(x509.VerifyOptions{Roots: first.Pool()}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	if _, err := OpenOwn(t.TempDir(), []string{"not a name"}, discard); err == nil {
		t.Error("a bad name was taken")
	}
}

func TestOwnModes(t *testing.T) {
	dir := t.TempDir()
	openOwn(t, dir)
	for _, name := range []string{"", caKeyFile, serverFile} {
		if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var logs logBuffer
	if _, err := OpenOwn(dir, nil, logs.Logger()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", caKeyFile, serverFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o700 {
			t.Errorf("%s/%s still has mode %o", dir, name, got)
		}
	}
	if got := logs.Take(); strings.Count(got, "level=WARN") != 3 {
		t.Errorf("logged: %s", got)
	}
}

func TestSetNames(t *testing.T) {
	dir := t.TempDir()
	own := openOwn(t, dir, "old.example")
	ca := own.Certificate()
	addr, _ := listen(t, Config(own, testALPN))
	before := mustDial(t, addr, ClientConfig(own.Pool(), "old.example", testALPN))
	if err := own.SetNames([]string{"old.example"}); err != nil {
		t.Fatal(err)
	}
	if same := mustDial(t, addr, ClientConfig(own.Pool(), "old.example", testALPN)); serial(same) != serial(before) {
		t.Error("a new certificate for the same names")
	}

	if err := own.SetNames([]string{"new.example", "192.0.2.7"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"new.example", "192.0.2.7", "localhost"} {
		mustDial(t, addr, ClientConfig(own.Pool(), name, testALPN))
	}
	if _, err := dial(t, addr, ClientConfig(own.Pool(), "old.example", testALPN)); err == nil {
		t.Error("still serving the old name")
	}
	echo(t, before)

	if err := own.SetNames([]string{"newer.example", "not a name"}); err == nil {
		t.Error("a bad name was taken")
	}
	obstruct(t, dir)
	if err := own.SetNames([]string{"newer.example"}); err == nil {
		t.Error("no error though nothing could be written")
	}
	mustDial(t, addr, ClientConfig(own.Pool(), "new.example", testALPN))
	own.check()
	if state := own.State()[0]; state.Err != nil || !slices.Contains(state.Names, "new.example") {
		t.Errorf("after a refused change: %v", state)
	}
	if !openOwn(t, dir, "new.example", "192.0.2.7").Certificate().Equal(ca) {
		t.Error("a new authority")
	}
}

// obstruct makes it impossible, for root too, to write a server certificate.
func obstruct(t *testing.T, dir string) (undo func()) {
	t.Helper()
	obstacle := filepath.Join(dir, "."+serverFile+".new")
	if err := os.MkdirAll(filepath.Join(obstacle, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	return func() { os.RemoveAll(obstacle) }
}

// pipe connects without a network, which synctest can't wait for.
func pipe(t *testing.T, server, client *tls.Config) *tls.Conn {
	t.Helper()
	c, s := net.Pipe()
	t.Cleanup(func() { c.Close() })
	go serveConn(s, server)
	conn, err := greet(c, client)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestRenewal(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		own := openOwn(t, dir)
		var source Source = own
		server, client := Config(source, testALPN), ClientConfig(own.Pool(), "localhost", testALPN)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go source.Run(ctx)

		old := pipe(t, server, client)
		wait(59 * 24 * time.Hour)
		if conn := pipe(t, server, client); serial(conn) != serial(old) {
			t.Error("renewed too early")
		}
		wait(25 * time.Hour)
		renewed := pipe(t, server, client)
		if serial(renewed) == serial(old) {
			t.Error("not renewed when a third of its life was left")
		}
		echo(t, old)
		if again := openOwn(t, dir); again.served.Load().Leaf.SerialNumber.String() != serial(renewed) {
			t.Error("the new certificate is not on the disk")
		}
		wait(365 * 24 * time.Hour)
		echo(t, pipe(t, server, client))
	})
}

// wait lets time pass, and what it sets off come to rest.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestRenewalFails(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var logs logBuffer
		own, err := OpenOwn(dir, nil, logs.Logger())
		if err != nil {
			t.Fatal(err)
		}
		go own.Run(t.Context())
		server, client := Config(own, testALPN), ClientConfig(own.Pool(), "localhost", testALPN)
		old := pipe(t, server, client)

		undo := obstruct(t, dir)
		wait(61 * 24 * time.Hour)
		if own.State()[0].Err == nil || !strings.Contains(logs.Take(), "level=ERROR") {
			t.Error("a failed renewal is not told of")
		}
		if conn := pipe(t, server, client); serial(conn) != serial(old) {
			t.Error("serving a certificate that is not on the disk")
		}
		if _, err := OpenOwn(dir, nil, discard); err != nil {
			t.Errorf("can't start with the certificate that is there: %v", err)
		}
		undo()
		wait(time.Hour)
		if conn := pipe(t, server, client); serial(conn) == serial(old) {
			t.Error("not tried again")
		}
		if err := own.State()[0].Err; err != nil {
			t.Errorf("still telling of %v", err)
		}
	})
}

func TestAuthorityEnds(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		own := openOwn(t, dir)
		end := own.Certificate().NotAfter
		wait(time.Until(end) - 40*24*time.Hour)
		last := openOwn(t, dir).State()[0]
		if !last.NotAfter.Equal(end) || last.Err != nil {
			t.Errorf("40 days before the end: %v", last)
		}
		wait(30 * 24 * time.Hour)
		if state := openOwn(t, dir).State()[0]; state.Err == nil || !state.NotAfter.Equal(end) {
			t.Errorf("10 days before the end: %v", state)
		}
		wait(20 * 24 * time.Hour)
		if state := openOwn(t, dir).State()[0]; state.Err == nil || !strings.Contains(state.Err.Error(), end.Format(time.DateOnly)) {
			t.Errorf("after the end: %v", state)
		}
		if err := os.Remove(filepath.Join(dir, serverFile)); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenOwn(dir, nil, discard); err == nil {
			t.Error("signed after the end")
		}
	})

	// A clock that is behind must not keep the server from starting.
	dir = t.TempDir()
	made := openOwn(t, dir)
	synctest.Test(t, func(t *testing.T) { // where it is the year 2000
		own := openOwn(t, dir)
		if own.State()[0].Err == nil || !own.served.Load().Leaf.Equal(made.served.Load().Leaf) {
			t.Errorf("before the authority's time: %v", own.State())
		}
	})
}
