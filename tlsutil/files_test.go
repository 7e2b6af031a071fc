package tlsutil

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	files, err := OpenFiles(cert, key, discard)
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := listen(t, Config(files, testALPN))
	old := mustDial(t, addr, ClientConfig(first.Pool(), "localhost", testALPN))

	second := writePair(t, cert, key)
	if err := files.Reload(cert, key); err != nil {
		t.Fatal(err)
	}
	mustDial(t, addr, ClientConfig(second.Pool(), "localhost", testALPN))
	echo(t, old)

	// Now a certificate with another's key.
	otherKey := filepath.Join(dir, "other.pem")
	writePair(t, cert, otherKey)
	if err := files.Reload(cert, key); err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), cert) {
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
		if _, err := OpenFiles(cert, path("open.key"), discard); err == nil || !strings.Contains(err.Error(), path("open.key")) {
			t.Errorf("key with mode %o: %v", mode, err)
		}
	}
	write(t, path("group.key"), keyPEM, 0o640)
	if _, err := OpenFiles(cert, path("group.key"), discard); err != nil {
		t.Errorf("key with mode 0640: %v", err)
	}

	write(t, path("half"), keyPEM[:len(keyPEM)/2], 0o600)
	write(t, path("empty"), nil, 0o600)
	pair := slices.Concat(read(t, cert), keyPEM)
	write(t, path("large"), slices.Concat(pair, bytes.Repeat([]byte("\n"), maxFile-len(pair))), 0o600)
	if _, err := OpenFiles(path("large"), path("large"), discard); err != nil {
		t.Errorf("a large file, for both: %v", err)
	}
	write(t, path("huge"), slices.Concat(read(t, path("large")), []byte("\n")), 0o600)
	if err := syscall.Mkfifo(path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFiles(path("fifo"), key, discard); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a FIFO: %v", err)
	}
	for _, bad := range []string{path("half"), path("empty"), path("huge"), path("fifo"), path("missing"), dir} {
		if _, err := OpenFiles(bad, key, discard); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("certificate %s: %v", bad, err)
		}
		if _, err := OpenFiles(cert, bad, discard); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("key %s: %v", bad, err)
		}
	}
}

func TestFilesWarn(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	synctest.Test(t, func(t *testing.T) {
		writePair(t, cert, key)
		var logs logBuffer
		files, err := OpenFiles(cert, key, logs.Logger())
		if err != nil {
			t.Fatal(err)
		}
		go files.Run(t.Context())
		logged := func(after time.Duration) string {
			time.Sleep(after)
			synctest.Wait()
			return logs.Take()
		}
		if got := logged(76 * 24 * time.Hour); got != "" {
			t.Errorf("after 76 days: %s", got)
		}
		if got := logged(14 * 24 * time.Hour); strings.Count(got, "ends soon") != 14 {
			t.Errorf("in the last 14 days: %s", got)
		}
		if got := logged(24 * time.Hour); !strings.Contains(got, "has ended") {
			t.Errorf("after the end: %s", got)
		}
		if _, err := OpenFiles(cert, key, logs.Logger()); err != nil {
			t.Error(err)
		}
		if got := logged(0); !strings.Contains(got, "has ended") {
			t.Errorf("opened after the end: %s", got)
		}
	})

	writePair(t, cert, key)
	synctest.Test(t, func(t *testing.T) { // where it is the year 2000
		var logs logBuffer
		if _, err := OpenFiles(cert, key, logs.Logger()); err != nil {
			t.Fatal(err)
		}
		if got := logs.Take(); !strings.Contains(got, "not valid yet") {
			t.Errorf("before its time: %s", got)
		}
	})
}
