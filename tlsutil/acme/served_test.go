package acme

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ocsp"

	"posko/tlsutil"
)

// certificateFor returns one that any authority might have issued for the name.
func certificateFor(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	own, err := tlsutil.OpenOwn(t.TempDir(), []string{name}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := own.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	copied := *cert
	return &copied
}

// TestServed reads what was written, and the OCSP response with it.
func TestServed(t *testing.T) {
	for _, name := range []string{"pos.example", "*.pos.example", "192.0.2.7", "2001:db8::1"} {
		s, err := makeServed(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		want := certificateFor(t, name)
		want.OCSPStaple = stapleFor(t, want, time.Now().Add(time.Minute))
		if err := s.write(name, want); err != nil {
			t.Fatal(err)
		}
		got, err := readCertificate(s.dir, name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !got.Leaf.Equal(want.Leaf) || !bytes.Equal(got.OCSPStaple, want.OCSPStaple) || len(got.Certificate) != len(want.Certificate) {
			t.Errorf("%s: not what was written", name)
		}
	}
}

// stapleFor returns an OCSP response for a certificate, signed with its own key.
func stapleFor(t *testing.T, cert *tls.Certificate, until time.Time) []byte {
	t.Helper()
	response, err := ocsp.CreateResponse(cert.Leaf, cert.Leaf, ocsp.Response{
		Status: ocsp.Good, SerialNumber: cert.Leaf.SerialNumber,
		ThisUpdate: until.Add(-time.Hour), NextUpdate: until,
	}, cert.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// TestStapleEnds has OCSP responses that a client would refuse. The certificate
// is served without.
func TestStapleEnds(t *testing.T) {
	s, err := makeServed(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cert := certificateFor(t, "pos.example")
	for what, response := range map[string][]byte{
		"one that has ended": stapleFor(t, cert, time.Now().Add(-time.Second)),
		"none at all":        []byte("good"),
	} {
		cert.OCSPStaple = response
		if err := s.write("pos.example", cert); err != nil {
			t.Fatal(err)
		}
		got, err := readCertificate(s.dir, "pos.example")
		if err != nil {
			t.Fatal(err)
		}
		if got.OCSPStaple != nil {
			t.Errorf("%s is stapled", what)
		}
	}
}

// TestKeep has names that are not configured any more, and files that are not of
// our making.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	s, err := makeServed(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pos.example", "*.pos.example", "lain.example", "*.lain.example", "2001:db8::1"} {
		if err := s.write(name, certificateFor(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.report("lain.example", Try{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Lain.example.pem", "192.0.2.pem", "lain.example.pem.old"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(s.dir, "folder.example.pem"), 0o700); err != nil {
		t.Fatal(err)
	}
	ob, err := New(Options{
		Dir: dir, Names: []string{"pos.example", "*.pos.example"},
		CA: "https://127.0.0.1/dir", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // asks nobody
	ob.Run(ctx)
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	want := []string{"192.0.2.pem", "Lain.example.pem", "_.pos.example.pem", "folder.example.pem", "lain.example.pem.old", "pos.example.pem", "tries.json"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestSpoiled has another user put what it likes where a Source looks: what was
// served before still is, and nothing hangs.
func TestSpoiled(t *testing.T) {
	dir := t.TempDir()
	s, err := makeServed(dir)
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "secret.pem")
	if err := s.write("pos.example", certificateFor(t, "pos.example")); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(s.dir, "pos.example.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secret, good, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(path string) error{
		"gone":        func(string) error { return nil },
		"link":        func(path string) error { return os.Symlink(secret, path) },
		"pipe":        func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"endless":     func(path string) error { return os.Symlink("/dev/zero", path) },
		"directory":   func(path string) error { return os.Mkdir(path, 0o700) },
		"large":       func(path string) error { return os.WriteFile(path, make([]byte, maxFile+1), 0o600) },
		"half":        func(path string) error { return os.WriteFile(path, good[:len(good)/2], 0o600) },
		"empty":       func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"other names": func(string) error { return s.write("pos.example", certificateFor(t, "lain.example")) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(s.dir, "pos.example.pem")
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
			source := Open(SourceOptions{Dir: dir, Names: []string{"pos.example"}, Log: slog.New(slog.DiscardHandler)})
			before, err := source.GetCertificate(&tls.ClientHelloInfo{})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			source.look()
			after, err := source.GetCertificate(&tls.ClientHelloInfo{})
			if err != nil || !after.Leaf.Equal(before.Leaf) {
				t.Errorf("another certificate, or %v", err)
			}
			if state := source.State()[0]; (state.Err == nil) != (name == "gone") {
				t.Errorf("state %+v", state)
			}
		})
	}
}

// TestSpoiledTries has words for a terminal in the report of tries.
func TestSpoiledTries(t *testing.T) {
	dir := t.TempDir()
	s, err := makeServed(dir)
	if err != nil {
		t.Fatal(err)
	}
	report := `{"pos.example": {"at": "2026-01-02T03:04:05Z", "err": "a\u001b[2Jb\nc` + strings.Repeat("x", 4*maxWords) + `"}}`
	if err := os.WriteFile(filepath.Join(s.dir, triesFile), []byte(report), 0o600); err != nil {
		t.Fatal(err)
	}
	source := Open(SourceOptions{Dir: dir, Names: []string{"pos.example"}, Log: slog.New(slog.DiscardHandler)})
	got := source.State()[0].Err
	if got == nil || strings.ContainsAny(got.Error(), "\x1b\n") || len(got.Error()) > 2*maxWords {
		t.Errorf("error %q", got)
	}
}
