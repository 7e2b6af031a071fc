package acme

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"posko/tlsutil"
	"posko/tlsutil/acme/acmetest"
)

// TestMain turns the test binary into the DNS hook of TestHook.
func TestMain(m *testing.M) {
	records := os.Getenv(hookRecords)
	if records == "" {
		os.Exit(m.Run())
	}
	fmt.Printf("%s\x1b[2J", os.Args[1])
	if err := acmetest.SetRecord(records, os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

const hookRecords = "POSKO_TEST_HOOK_RECORDS"

// A house is both halves and a listener that serves what they bring.
type house struct {
	t         *testing.T
	authority *acmetest.Authority
	options   Options
	wait      time.Duration // after a first failure
	source    *Source
	log       *journal
	addr      string // of the listener
}

func newHouse(t *testing.T, names ...string) *house {
	t.Helper()
	authority := acmetest.New(t)
	pem, err := os.ReadFile(authority.CARoot)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	log := &journal{t: t}
	return &house{t: t, authority: authority, log: log, wait: 200 * time.Millisecond, options: Options{
		Dir: filepath.Join(t.TempDir(), "tls", "acme"), Names: names,
		CA: authority.Directory(), Roots: roots,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}}
}

// serve opens the serving half.
func (h *house) serve(fallback tlsutil.Source) {
	h.t.Helper()
	h.source = Open(SourceOptions{Dir: h.options.Dir, Names: h.options.Names, Fallback: fallback, Alone: true, Log: h.options.Log})
	h.source.every = 50 * time.Millisecond
	run(h.t, h.source.Run)
	l, err := tls.Listen("tcp", "127.0.0.1:0", tlsutil.Config(h.source, "posko-chat"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { l.Close() })
	h.addr = l.Addr().String()
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				io.Copy(nc, nc)
			}()
		}
	}()
}

// obtain runs the other half.
func (h *house) obtain() {
	h.t.Helper()
	ob, err := newObtainer(h.options, 100*time.Millisecond, h.wait)
	if err != nil {
		h.t.Fatal(err)
	}
	challenges := Answer([]net.Listener{h.authority.HTTP}, []net.Listener{h.authority.TLSALPN}, h.options.Log)
	challenges.Use(ob)
	h.t.Cleanup(challenges.Close)
	run(h.t, ob.Run)
}

// run runs f until the test's end.
func run(t *testing.T, f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// dial returns a connection of whoever asks for name, and does not verify.
func (h *house) dial(name string) *tls.Conn {
	h.t.Helper()
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: acmetest.Patience}, Config: &tls.Config{InsecureSkipVerify: true, ServerName: name}}
	nc, err := d.DialContext(h.t.Context(), "tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(2 * acmetest.Patience))
	return nc.(*tls.Conn)
}

// served is the certificate that a client gets, with its chain.
func (h *house) served(name string) []*x509.Certificate {
	h.t.Helper()
	nc := h.dial(name)
	defer nc.Close()
	return nc.ConnectionState().PeerCertificates
}

// until waits for a state of the first name that is as it should be.
func (h *house) until(want string, is func(tlsutil.State) bool) tlsutil.State {
	h.t.Helper()
	late := time.After(acmetest.Patience)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		state := h.source.State()[0]
		if is(state) {
			return state
		}
		select {
		case <-again.C:
		case <-late:
			h.t.Fatalf("not %s: %+v", want, state)
		}
	}
}

func (h *house) issued() tlsutil.State {
	h.t.Helper()
	return h.until("issued", func(s tlsutil.State) bool { return !s.NotAfter.IsZero() })
}

// verified checks that what is served for name is the authority's.
func (h *house) verified(name string) {
	h.t.Helper()
	chain := h.served(name)
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{DNSName: name, Roots: h.authority.Roots(), Intermediates: between}); err != nil {
		h.t.Error(err)
	}
	if key, ok := chain[0].PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		h.t.Errorf("the key is a %T, not of P-256", chain[0].PublicKey)
	}
}

// A journal is what is logged.
type journal struct {
	t    *testing.T
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func TestHTTP01(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "pos.example", "lain.example")
	h.authority.Start()
	own, err := tlsutil.OpenOwn(t.TempDir(), h.options.Names, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h.serve(own)
	if issuer := h.served("pos.example")[0].Issuer; issuer.String() != own.Certificate().Subject.String() {
		t.Errorf("meanwhile a certificate of %s is served", issuer)
	}
	state := h.source.State()[0]
	if !strings.Contains(state.Waiting, "systemctl enable --now poskod-acme.service") || state.Err != nil {
		t.Errorf("before the first try: %+v", state)
	}
	h.options.HTTP = h.authority.HTTP.Addr()
	h.obtain()
	if state := h.issued(); state.Err != nil || state.Tried.IsZero() || !strings.HasPrefix(state.Issuer, "Pebble") {
		t.Errorf("state %+v", state)
	}
	h.verified("pos.example")
	h.until("the other one", func(tlsutil.State) bool { return !h.source.State()[1].NotAfter.IsZero() })
	h.verified("lain.example")
	if got := h.served("")[0].DNSNames; got[0] != "pos.example" {
		t.Errorf("whoever asks for no name gets %q", got)
	}
	if len(h.source.State()) != 2 {
		t.Errorf("the own authority is still told of: %+v", h.source.State())
	}
	if got := h.log.String(); !strings.Contains(got, "logger=obtain") || !strings.Contains(got, "identifier=pos.example") {
		t.Errorf("certmagic's own log is missing:\n%s", got)
	}
	// What is shared the group may read, nothing else.
	for name, want := range map[string]os.FileMode{
		"served": 0o750, "served/pos.example.pem": 0o640, "served/tries.json": 0o640,
		"acme": 0o700, "certificates": 0o700,
	} {
		info, err := os.Stat(filepath.Join(h.options.Dir, name))
		if err != nil {
			t.Error(err)
		} else if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
}

// TestOCSP has an authority whose responder answers: what it says is stapled.
func TestOCSP(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "pos.example")
	h.authority.AnswerOCSP()
	h.authority.Start()
	h.serve(nil)
	h.options.HTTP = h.authority.HTTP.Addr()
	h.obtain()
	h.issued()
	issuer, err := h.authority.Intermediate()
	if err != nil {
		t.Fatal(err)
	}
	state := h.dial("pos.example").ConnectionState()
	got, err := ocsp.ParseResponseForCert(state.OCSPResponse, state.PeerCertificates[0], issuer)
	if err != nil {
		t.Fatalf("the response of %d bytes: %v", len(state.OCSPResponse), err)
	}
	if got.Status != ocsp.Good {
		t.Errorf("its status is %d", got.Status)
	}
}

func TestTLSALPN01(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "pos.example")
	h.authority.Start()
	h.serve(nil)
	if _, err := h.source.GetCertificate(&tls.ClientHelloInfo{ServerName: "pos.example"}); !errors.Is(err, errNone) {
		t.Errorf("without a fallback: %v", err)
	}
	h.options.TLSALPN = h.authority.TLSALPN.Addr()
	h.obtain()
	h.issued()
	h.verified("pos.example")
	// It is there for challenges alone.
	for _, config := range []*tls.Config{
		{ServerName: "pos.example"},
		{ServerName: "pos.example", NextProtos: []string{"http/1.1"}},
		{ServerName: "lain.example", NextProtos: []string{"acme-tls/1"}},
	} {
		config.InsecureSkipVerify = true
		if nc, err := tls.Dial("tcp", h.authority.TLSALPN.Addr().String(), config); err == nil {
			nc.Close()
			t.Errorf("%s is served %q", config.ServerName, config.NextProtos)
		}
	}
}

func TestHook(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "*.pos.example")
	h.authority.Start()
	h.serve(nil)
	h.options.Hook = filepath.Join(t.TempDir(), "hook")
	script := fmt.Sprintf("#!/bin/sh\n%s=%s exec '%s' \"$@\"\n", hookRecords, h.authority.Records(), os.Args[0])
	if err := os.WriteFile(h.options.Hook, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	h.obtain()
	h.issued()
	h.verified("www.pos.example")
	for _, want := range []string{"action=add", "action=remove", "record=_acme-challenge.pos.example", `output="add\x1b[2J`} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("%s is not in the log:\n%s", want, h.log)
		}
	}
}

func TestExternalAccount(t *testing.T) {
	t.Parallel()
	const key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	for _, tt := range []struct{ name, id, key, err string }{
		{"right", "kunci-1", key, ""},
		{"other spelling", "kunci-1", key + "==", ""},
		{"wrong key", "kunci-1", strings.ToUpper(key), "did not accept the account"},
		{"unknown", "kunci-2", key, "did not accept the account"},
		{"none", "", "", "tls.acme.eab_key_id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, "pos.example")
			h.authority.External = map[string]string{"kunci-1": key}
			h.authority.Start()
			h.serve(nil)
			h.options.HTTP = h.authority.HTTP.Addr()
			h.options.ExternalID, h.options.ExternalKey = tt.id, tt.key
			h.wait = time.Hour
			h.obtain()
			if tt.err == "" {
				h.issued()
				return
			}
			state := h.until("refused", func(s tlsutil.State) bool { return s.Err != nil })
			if !strings.Contains(state.Err.Error(), tt.err) || state.Waiting == "" || !strings.Contains(state.Next, "next at") {
				t.Errorf("state %+v", state)
			}
			t.Logf("%v; waiting for %s; %s", state.Err, state.Waiting, state.Next)
			if strings.Contains(h.log.String(), tt.key) && tt.key != "" {
				t.Error("the key is in the log")
			}
		})
	}
	if _, err := New(Options{Dir: t.TempDir(), ExternalID: "x", ExternalKey: "%rahasia%", Log: slog.New(slog.DiscardHandler)}); err == nil || strings.Contains(err.Error(), "rahasia") {
		t.Errorf("a key that is not base64: %v", err)
	}
}

// TestDown has the authority down at first.
func TestDown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "pos.example")
	h.serve(nil)
	h.options.HTTP = h.authority.HTTP.Addr()
	h.obtain()
	state := h.until("in trouble", func(s tlsutil.State) bool { return s.Err != nil })
	if !strings.Contains(state.Err.Error(), "can't be reached") {
		t.Errorf("state %+v", state)
	}
	h.authority.Start()
	if state := h.issued(); state.Err != nil {
		t.Errorf("state %+v", state)
	}
}

// TestRenewal renews a certificate that lives for some seconds under
// connections that stay open.
func TestRenewal(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "pos.example")
	h.authority.Life = 6
	h.authority.Start()
	h.serve(nil)
	h.options.HTTP = h.authority.HTTP.Addr()
	h.obtain()
	first := h.issued()
	old := h.served("pos.example")[0]
	var open []*tls.Conn
	for range 8 {
		open = append(open, h.dial("pos.example"))
	}
	state := h.until("renewed", func(s tlsutil.State) bool {
		for i, nc := range open {
			b := []byte{byte(i)}
			if _, err := nc.Write(b); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(nc, b); err != nil || b[0] != byte(i) {
				t.Fatalf("connection %d: %v", i, err)
			}
		}
		return s.NotAfter.After(first.NotAfter)
	})
	if !state.Tried.After(first.Tried) || state.Err != nil {
		t.Errorf("state %+v", state)
	}
	if h.served("pos.example")[0].Equal(old) {
		t.Error("the old certificate is still served")
	}
}

// TestRenewalFails has the authority go down when a certificate is there. The
// name is its own, since certmagic remembers for the whole process what to wait
// with.
func TestRenewalFails(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "gagal.example")
	h.authority.Life = 6
	h.authority.Start()
	h.serve(nil)
	h.options.HTTP = h.authority.HTTP.Addr()
	h.obtain()
	first := h.issued()
	h.authority.Stop()
	state := h.until("in trouble", func(s tlsutil.State) bool { return s.Err != nil && strings.Contains(s.Err.Error(), "can't be reached") })
	if !state.NotAfter.Equal(first.NotAfter) || !state.Tried.After(first.Tried) || state.Trouble(time.Now()) == "" || state.Next == "" {
		t.Errorf("state %+v", state)
	}
}

// TestTwo has two obtainers on one directory: one certificate is asked for, and
// each answers for the other.
func TestTwo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "pos.example")
	h.authority.Start()
	h.serve(nil)
	h.options.HTTP = h.authority.HTTP.Addr()
	for range 2 {
		ob, err := newObtainer(h.options, 100*time.Millisecond, h.wait)
		if err != nil {
			t.Fatal(err)
		}
		run(t, ob.Run)
	}
	bystander, err := newObtainer(h.options, 100*time.Millisecond, h.wait)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bystander.cache.Stop)
	challenges := Answer([]net.Listener{h.authority.HTTP}, nil, h.options.Log)
	challenges.Use(bystander)
	t.Cleanup(challenges.Close)
	h.issued()
	if n := h.authority.Issued(); n != 1 {
		t.Errorf("%d certificates have been issued", n)
	}
}

// TestNothingElse asks what no authority does.
func TestNothingElse(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "pos.example")
	h.options.HTTP = h.authority.HTTP.Addr()
	h.obtain()
	base := "http://" + h.authority.HTTP.Addr().String()
	for _, path := range []string{"/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/x", "/.well-known/acme-challenge/../../x"} {
		for _, host := range []string{"pos.example", "other.example", "../../pos.example"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s of %s: %s", path, host, resp.Status)
			}
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Long", strings.Repeat("x", 64<<10))
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("long headers: %s", resp.Status)
		}
	}
}
