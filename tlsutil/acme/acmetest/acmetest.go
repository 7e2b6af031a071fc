// Package acmetest runs a real ACME authority for tests: Debian's pebble, with
// pebble-challtestsrv for its DNS. Each test gets one of its own, on a loopback
// address of its own, so that they can run side by side. It does verify what it
// is asked to sign.
package acmetest

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"posko/tlsutil"
)

// Patience bounds every wait.
const Patience = 30 * time.Second

// The ports at an authority's address.
const (
	directoryPort  = "14000"
	managementPort = "15000"
	dnsPort        = "8053"
	recordsPort    = "8055"
)

// An Authority is an address at which pebble does or does not run.
type Authority struct {
	// Host is the address at which all names are: of the authority, and of
	// who is asked whether a name is theirs.
	Host string
	// CARoot is the file of the certificate that verifies the directory.
	CARoot string
	// Life is how long its certificates live, in seconds; 0 for years.
	Life int
	// External are the accounts it knows, by identifier, with their keys in
	// base64; if there is one, nobody else is served.
	External map[string]string
	// HTTP and TLSALPN are where it asks.
	HTTP, TLSALPN net.Listener

	t      *testing.T
	ocsp   string // the URL of its responder
	dir    string
	client *http.Client
	stop   []func() // ends what runs
	out    output
}

// New chooses the address and listens where the authority will ask.
func New(t *testing.T) *Authority {
	t.Helper()
	a := &Authority{
		t: t, dir: t.TempDir(),
		Host: fmt.Sprintf("127.%d.%d.%d", 1+rand.N(250), rand.N(250), 1+rand.N(250)),
	}
	own, err := tlsutil.OpenOwn(a.dir, []string{a.Host}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a.CARoot = own.CAFile()
	a.client = &http.Client{Transport: &http.Transport{TLSClientConfig: tlsutil.ClientConfig(own.Pool(), a.Host, "http/1.1")}}
	t.Cleanup(a.client.CloseIdleConnections)
	a.HTTP, a.TLSALPN = a.listen(), a.listen()
	return a
}

func (a *Authority) listen() net.Listener {
	l, err := net.Listen("tcp", a.Host+":0")
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { l.Close() })
	return l
}

// Directory is the URL of the authority's directory.
func (a *Authority) Directory() string {
	return "https://" + net.JoinHostPort(a.Host, directoryPort) + "/dir"
}

// Start runs the authority and waits until it serves.
func (a *Authority) Start() {
	a.t.Helper()
	config := map[string]any{
		"listenAddress":                  net.JoinHostPort(a.Host, directoryPort),
		"managementListenAddress":        net.JoinHostPort(a.Host, managementPort),
		"certificate":                    filepath.Join(a.dir, "server.pem"),
		"privateKey":                     filepath.Join(a.dir, "server.pem"),
		"httpPort":                       a.HTTP.Addr().(*net.TCPAddr).Port,
		"tlsPort":                        a.TLSALPN.Addr().(*net.TCPAddr).Port,
		"externalAccountBindingRequired": len(a.External) > 0,
		"externalAccountMACKeys":         a.External,
	}
	if a.ocsp != "" {
		config["ocspResponderURL"] = a.ocsp
	}
	if a.Life > 0 {
		config["certificateValidityPeriod"] = a.Life
	}
	data, err := json.Marshal(map[string]any{"pebble": config})
	if err != nil {
		a.t.Fatal(err)
	}
	file := filepath.Join(a.dir, "pebble.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		a.t.Fatal(err)
	}
	dns := net.JoinHostPort(a.Host, dnsPort)
	a.run("pebble-challtestsrv", "-management", net.JoinHostPort(a.Host, recordsPort), "-dns01", dns,
		"-defaultIPv4", a.Host, "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "")
	a.run("pebble", "-config", file, "-dnsserver", dns)
	a.await(func() bool {
		_, err := a.get(a.Directory())
		return err == nil
	})
	a.await(func() bool {
		nc, err := net.Dial("tcp", net.JoinHostPort(a.Host, recordsPort))
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
}

// Stop ends the authority.
func (a *Authority) Stop() {
	for _, stop := range a.stop {
		stop()
	}
}

func (a *Authority) run(name string, args ...string) {
	a.t.Helper()
	// Validation is real, but nothing is waited for, and every name is asked
	// for anew.
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0")
	cmd.Stdout, cmd.Stderr = &a.out, &a.out
	if err := cmd.Start(); err != nil {
		a.t.Fatalf("%v; it is in Debian's package pebble", err)
	}
	stop := sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	a.stop = append(a.stop, stop)
	a.t.Cleanup(func() {
		stop()
		if a.t.Failed() {
			a.t.Logf("%s said:\n%s", name, a.out.String())
		}
	})
}

// await asks again and again until done says so.
func (a *Authority) await(done func() bool) {
	a.t.Helper()
	late := time.After(Patience)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-again.C:
		case <-late:
			a.t.Fatalf("the authority did not start:\n%s", a.out.String())
		}
	}
}

// Roots are what the authority's certificates are verified with.
func (a *Authority) Roots() *x509.CertPool {
	a.t.Helper()
	data, err := a.manage("/roots/0")
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		a.t.Fatalf("no certificate: %q", data)
	}
	return pool
}

// manage asks for what pebble keeps to itself.
func (a *Authority) manage(path string) ([]byte, error) {
	return a.get("https://" + net.JoinHostPort(a.Host, managementPort) + path)
}

func (a *Authority) get(url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(a.t.Context(), Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// Records is the URL that changes DNS records, see SetRecord.
func (a *Authority) Records() string { return "http://" + net.JoinHostPort(a.Host, recordsPort) }

// SetRecord is a hook's work: it adds or removes a TXT record.
func SetRecord(records, action, name, value string) error {
	body := map[string]string{"host": name + "."}
	path := "/clear-txt"
	if action == "add" {
		path, body["value"] = "/set-txt", value
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	resp, err := http.Post(records+path, "application/json", bytes.NewReader(data))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return nil
}

// Issued is how many certificates the authority has signed.
func (a *Authority) Issued() int { return strings.Count(a.out.String(), "Issued certificate serial") }

// output is what the programs have printed.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
