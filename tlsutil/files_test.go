package tlsutil

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// writePair puts a new certificate and its key where an administrator would.
func writePair(t *testing.T, certFile, keyFile string) *Own {
	t.Helper()
	dir := t.TempDir()
	own := openOwn(t, dir)
	key, chain := pem.Decode(read(t, dir, serverFile))
	write(t, keyFile, pem.EncodeToMemory(key), 0o600)
	write(t, certFile, chain, 0o644)
	return own
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	first := writePair(t, cert, key)
	files, err := OpenFiles([]Pair{{cert, key}}, discard)
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := listen(t, Config(files, testALPN))
	old := mustDial(t, addr, ClientConfig(first.Pool(), "localhost", testALPN))

	second := writePair(t, cert, key)
	if err := files.Reload([]Pair{{cert, key}}); err != nil {
		t.Fatal(err)
	}
	mustDial(t, addr, ClientConfig(second.Pool(), "localhost", testALPN))
	echo(t, old)

	// Now a certificate with another's key.
	otherKey := filepath.Join(dir, "other.pem")
	writePair(t, cert, otherKey)
	if err := files.Reload([]Pair{{cert, key}}); err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), cert) {
		t.Errorf("a pair that doesn't match: %v", err)
	}
	mustDial(t, addr, ClientConfig(second.Pool(), "localhost", testALPN))

	want := second.State()[0]
	if got := files.State()[0]; got.Issuer != want.Issuer || !got.NotAfter.Equal(want.NotAfter) || strings.Join(got.Names, " ") != strings.Join(want.Names, " ") {
		t.Errorf("state %v, want %v", got, want)
	}
}

func TestFilesRefused(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	cert, key := path("cert.pem"), path("key.pem")
	writePair(t, cert, key)
	keyPEM := read(t, key)
	for _, mode := range []os.FileMode{0o604, 0o602, 0o620, 0o660, 0o644} {
		write(t, path("open.key"), keyPEM, mode)
		if _, err := OpenFiles([]Pair{{cert, path("open.key")}}, discard); err == nil || !strings.Contains(err.Error(), path("open.key")) {
			t.Errorf("key with mode %o: %v", mode, err)
		}
	}
	write(t, path("group.key"), keyPEM, 0o640)
	if _, err := OpenFiles([]Pair{{cert, path("group.key")}}, discard); err != nil {
		t.Errorf("key with mode 0640: %v", err)
	}

	write(t, path("half"), keyPEM[:len(keyPEM)/2], 0o600)
	write(t, path("empty"), nil, 0o600)
	pair := slices.Concat(read(t, cert), keyPEM)
	write(t, path("large"), slices.Concat(pair, bytes.Repeat([]byte("\n"), maxFile-len(pair))), 0o600)
	if _, err := OpenFiles([]Pair{{path("large"), path("large")}}, discard); err != nil {
		t.Errorf("a large file, for both: %v", err)
	}
	write(t, path("huge"), slices.Concat(read(t, path("large")), []byte("\n")), 0o600)
	if err := syscall.Mkfifo(path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFiles([]Pair{{path("fifo"), key}}, discard); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a FIFO: %v", err)
	}
	for _, bad := range []string{path("half"), path("empty"), path("huge"), path("fifo"), path("missing"), dir} {
		if _, err := OpenFiles([]Pair{{bad, key}}, discard); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("certificate %s: %v", bad, err)
		}
		if _, err := OpenFiles([]Pair{{cert, bad}}, discard); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("key %s: %v", bad, err)
		}
	}
}

// polled writes with write, waits until the files have been looked at, and
// returns what was logged.
func polled(logs *logBuffer, write func()) string {
	write()
	time.Sleep(PollEvery)
	synctest.Wait()
	return logs.Take()
}

func TestFilesChange(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	synctest.Test(t, func(t *testing.T) {
		writePair(t, cert, key)
		var logs logBuffer
		files, err := OpenFiles([]Pair{{cert, key}}, logs.Logger())
		if err != nil {
			t.Fatal(err)
		}
		go files.Run(t.Context())
		served := func() string {
			c, err := files.GetCertificate(&tls.ClientHelloInfo{})
			if err != nil {
				t.Fatal(err)
			}
			return c.Leaf.SerialNumber.String()
		}
		first := served()
		if got := polled(&logs, func() {}); got != "" || served() != first {
			t.Errorf("nothing has changed: %s", got)
		}
		writePair(t, filepath.Join(dir, "next.pem"), filepath.Join(dir, "next.key"))
		chain, nextKey := read(t, dir, "next.pem"), read(t, dir, "next.key")
		for _, bad := range []struct {
			what        string
			chain, key  []byte
			wantInError string
		}{
			{"a certificate before its key", chain, nil, "private key"},
			{"half a certificate", chain[:len(chain)/4], nextKey, "find"},
			{"half a chain", chain[:len(chain)*3/4], nextKey, "the chain breaks off"},
			{"half a key", chain, nextKey[:len(nextKey)/2], "find"},
		} {
			got := polled(&logs, func() {
				write(t, cert, bad.chain, 0o644)
				if bad.key != nil {
					write(t, key, bad.key, 0o600)
				}
			})
			if !strings.Contains(got, "of no use") || !strings.Contains(got, bad.wantInError) || strings.Contains(got, "PRIVATE") {
				t.Errorf("%s: logged %q", bad.what, got)
			}
			if served() != first {
				t.Errorf("%s: the certificate before it is served no longer", bad.what)
			}
			if s := files.State()[0]; s.Err == nil || s.Next == "" {
				t.Errorf("%s: state %+v", bad.what, s)
			}
			if got := polled(&logs, func() {}); got != "" {
				t.Errorf("%s: logged again: %s", bad.what, got)
			}
		}
		if got := polled(&logs, func() { os.Remove(cert) }); !strings.Contains(got, "no such file") || served() != first {
			t.Errorf("a missing file: logged %q", got)
		}
		got := polled(&logs, func() {
			write(t, cert, chain, 0o644)
			write(t, key, nextKey, 0o600)
		})
		if served() == first || !strings.Contains(got, "is in use") || files.State()[0].Err != nil {
			t.Errorf("a good pair: logged %q", got)
		}
	})
}

// TestFilesUnderLoad replaces a pair, file by file, under handshakes, none of
// which may fail.
func TestFilesUnderLoad(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	own := openOwn(t, t.TempDir())
	pair := func() (chain, key []byte) {
		own.mu.Lock()
		defer own.mu.Unlock()
		data, err := own.Issue(ForServer, []string{"localhost"})
		if err != nil {
			t.Fatal(err)
		}
		block, chain := pem.Decode(data)
		return chain, pem.EncodeToMemory(block)
	}
	put := func() {
		c, k := pair()
		write(t, key, k, 0o600)
		write(t, cert, c, 0o644)
	}
	put()
	files, err := OpenFiles([]Pair{{cert, key}}, discard)
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := listen(t, Config(files, testALPN))
	kept := mustDial(t, addr, ClientConfig(own.Pool(), "localhost", testALPN))
	var polls sync.WaitGroup
	stop := make(chan struct{})
	polls.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				files.poll()
			}
		}
	})
	serials := map[string]bool{}
	for range 20 {
		put()
		conn := mustDial(t, addr, ClientConfig(own.Pool(), "localhost", testALPN))
		serials[serial(conn)] = true
		conn.Close()
	}
	close(stop)
	polls.Wait()
	files.poll()
	echo(t, kept)
	last := mustDial(t, addr, ClientConfig(own.Pool(), "localhost", testALPN))
	block, _ := pem.Decode(read(t, cert))
	if want, err := x509.ParseCertificate(block.Bytes); err != nil || serial(last) != want.SerialNumber.String() {
		t.Errorf("the last certificate is not in use: %v", err)
	}
	if len(serials) < 2 {
		t.Error("no new certificate was taken up under load")
	}
}

func TestFilesSNI(t *testing.T) {
	var pairs []Pair
	pool := x509.NewCertPool()
	dir := t.TempDir()
	for _, name := range []string{"a.example", "b.example", "*.c.example"} {
		own := openOwn(t, t.TempDir())
		pool.AddCert(own.Certificate())
		own.mu.Lock()
		data, err := own.Issue(ForServer, []string{name})
		own.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		block, chain := pem.Decode(data)
		p := Pair{filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")}
		write(t, p.Cert, chain, 0o644)
		write(t, p.Key, pem.EncodeToMemory(block), 0o600)
		pairs = append(pairs, p)
	}
	files, err := OpenFiles(pairs, discard)
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := listen(t, Config(files, testALPN))
	for ask, want := range map[string]string{
		"a.example": "a.example", "b.example": "b.example", "x.c.example": "*.c.example",
		"other.example": "a.example", "": "a.example",
	} {
		client := ClientConfig(pool, ask, testALPN)
		client.InsecureSkipVerify = want != ask && ask != "x.c.example"
		conn := mustDial(t, addr, client)
		if got := conn.ConnectionState().PeerCertificates[0].DNSNames; len(got) != 1 || got[0] != want {
			t.Errorf("asked for %q: got %v, want %s", ask, got, want)
		}
	}
	if len(files.State()) != 3 {
		t.Errorf("states of %d certificates", len(files.State()))
	}
}
