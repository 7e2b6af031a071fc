package tlsutil

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestIssue(t *testing.T) {
	a := openOwn(t, t.TempDir()).Authority
	for _, c := range []struct {
		purpose Purpose
		names   []string
		usage   x509.ExtKeyUsage
		days    int
	}{
		{ForServer, []string{"imap.example", "192.0.2.7"}, x509.ExtKeyUsageServerAuth, 90},
		{ForClient, []string{"Ani"}, x509.ExtKeyUsageClientAuth, 365},
	} {
		data, err := a.Issue(c.purpose, c.names)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(data, data)
		if err != nil {
			t.Fatal(err)
		}
		leaf := pair.Leaf
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: a.Pool(), KeyUsages: []x509.ExtKeyUsage{c.usage}}); err != nil {
			t.Errorf("%v: %v", c.names, err)
		}
		if len(leaf.ExtKeyUsage) != 1 || leaf.IsCA || leaf.Subject.CommonName != c.names[0] {
			t.Errorf("%v: usage %v, authority %t, subject %v", c.names, leaf.ExtKeyUsage, leaf.IsCA, leaf.Subject)
		}
		if got := leaf.NotAfter.Sub(time.Now().Truncate(time.Second)); got.Round(time.Hour) != time.Duration(c.days)*24*time.Hour {
			t.Errorf("%v: for %v", c.names, got)
		}
		if c.purpose == ForServer && !slices.Equal(certNames(leaf), c.names) {
			t.Errorf("names %v, want %v", certNames(leaf), c.names)
		}
	}
	if _, err := a.Issue(ForServer, []string{"not a name"}); err == nil {
		t.Error("a name that is none was signed")
	}
}

func TestRenewAuthority(t *testing.T) {
	dir := t.TempDir()
	own := openOwn(t, dir, "chat.example")
	addr, _ := listen(t, Config(own, testALPN))
	before, oldPool := own.Certificate(), own.Pool()
	key := read(t, dir, caKeyFile)
	kept := mustDial(t, addr, ClientConfig(oldPool, "chat.example", testALPN))
	if err := own.RenewAuthority(); err != nil {
		t.Fatal(err)
	}
	if own.Certificate().Equal(before) || string(read(t, dir, caKeyFile)) == string(key) {
		t.Error("the authority or its key is the old one")
	}
	mustDial(t, addr, ClientConfig(own.Pool(), "chat.example", testALPN))
	if _, err := dial(t, addr, ClientConfig(oldPool, "chat.example", testALPN)); err == nil {
		t.Error("the old authority is still good")
	}
	echo(t, kept)
	again := openOwn(t, dir, "chat.example")
	if !again.Certificate().Equal(own.Certificate()) || again.State()[0].NotAfter != own.State()[0].NotAfter {
		t.Error("after a restart it is another one")
	}
}

// TestRenewAuthorityCrash breaks off after each file that a renewal writes.
func TestRenewAuthorityCrash(t *testing.T) {
	for _, written := range [][]string{
		{nextFile}, {nextFile, caKeyFile}, {nextFile, caKeyFile, caFile}, {caKeyFile, caFile},
	} {
		dir := t.TempDir()
		old := map[string][]byte{}
		own := openOwn(t, dir)
		for _, name := range ownFiles {
			old[name] = read(t, dir, name)
		}
		other := t.TempDir()
		if err := openOwn(t, other).Renew(nil); err != nil {
			t.Fatal(err)
		}
		next := slices.Concat(read(t, other, caKeyFile), read(t, other, caFile))
		for _, name := range written {
			data := next
			if name != nextFile {
				data = read(t, other, name)
			}
			write(t, filepath.Join(dir, name), data, 0o600)
		}
		again := openOwn(t, dir)
		if again.Certificate().Equal(own.Certificate()) {
			t.Errorf("after %v: the old authority", written)
		}
		if _, err := os.Stat(filepath.Join(dir, nextFile)); err == nil {
			t.Errorf("after %v: %s is still there", written, nextFile)
		}
		if _, err := again.served.Load().Leaf.Verify(x509.VerifyOptions{Roots: again.Pool()}); err != nil {
			t.Errorf("after %v: the server certificate: %v", written, err)
		}
	}
}

func TestRenewAuthorityFails(t *testing.T) {
	dir := t.TempDir()
	own := openOwn(t, dir)
	before := own.Certificate()
	if err := os.Mkdir(filepath.Join(dir, nextFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := own.RenewAuthority(); err == nil || !strings.Contains(err.Error(), nextFile) {
		t.Errorf("got %v", err)
	}
	if !own.Certificate().Equal(before) {
		t.Error("the authority was replaced all the same")
	}
}
