package account

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestParseFingerprint(t *testing.T) {
	want := strings.Repeat("AB:", 31) + "AB"
	for _, text := range []string{want, strings.ToLower(want), strings.Repeat("ab", 32)} {
		if got, err := ParseFingerprint(text); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "AB", want + ":AB", strings.Repeat("x", 64)} {
		if _, err := ParseFingerprint(text); err != ErrFingerprint {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestCertLogin(t *testing.T) {
	d, s := newDirectory(t, Options{Throttle: Limits{Pair: 20, Address: 20, Window: time.Hour}})
	ani := add(t, d, "Ani", "rahasia1")
	budi := add(t, d, "budi", "rahasia1")
	addr := netip.MustParseAddr("192.0.2.1")
	login := func(c Certificate) (string, error) {
		a, err := d.CertLogin(t.Context(), c, addr)
		return a.Name, err
	}
	expect := func(what string, c Certificate, wantName string, wantErr error) {
		t.Helper()
		if name, err := login(c); name != wantName || !errors.Is(err, wantErr) {
			t.Errorf("%s: %q, %v, want %q, %v", what, name, err, wantName, wantErr)
		}
	}
	print := func(digit string) string { return strings.Repeat(digit+digit+":", 31) + digit + digit }
	now := time.Now().Truncate(time.Second)
	own := Certificate{Fingerprint: print("A"), Name: "ANI", Issued: now}
	foreign := Certificate{Fingerprint: print("B")}

	expect("none", Certificate{}, "", ErrNoCertificate)
	expect("the subject", own, "Ani", nil)
	expect("another's subject", Certificate{Fingerprint: print("C"), Name: "nobody", Issued: now}, "", ErrCertificate)
	expect("a subject that is no name", Certificate{Fingerprint: print("C"), Name: "a b", Issued: now}, "", ErrCertificate)
	expect("issued before the account", Certificate{Fingerprint: print("D"), Name: "ani", Issued: now.Add(-time.Hour)}, "", ErrCertificate)
	expect("unbound", foreign, "", ErrCertificate)
	if err := d.AddCertificate(t.Context(), budi.ID, strings.ToLower(foreign.Fingerprint)); err != nil {
		t.Fatal(err)
	}
	expect("bound", foreign, "budi", nil)
	if err := d.AddCertificate(t.Context(), ani.ID, foreign.Fingerprint); err != ErrCertificateTaken {
		t.Errorf("another's: %v", err)
	}
	if err := d.RevokeCertificate(t.Context(), ani.ID, own.Fingerprint); err != nil {
		t.Fatal(err)
	}
	expect("taken away", own, "", ErrCertificate)
	if err := d.Confirm(t.Context(), ani); err != ErrPassword {
		t.Errorf("a login from before it was taken away: %v", err)
	}
	if _, err := d.SetDisabled(t.Context(), budi.ID, true); err != nil {
		t.Fatal(err)
	}
	expect("disabled", foreign, "", ErrCertificate)
	s.mu.Lock()
	delete(s.accounts, budi.ID)
	s.mu.Unlock()
	expect("deleted", foreign, "", ErrCertificate)
	if err := d.AddCertificate(t.Context(), ani.ID, "nonsense"); err != ErrFingerprint {
		t.Errorf("no fingerprint: %v", err)
	}
}

func TestCertLoginThrottled(t *testing.T) {
	d, _ := newDirectory(t, Options{Throttle: Limits{Pair: 2, Window: time.Hour}})
	addr := netip.MustParseAddr("192.0.2.1")
	for i, want := range []error{ErrCertificate, ErrCertificate, ErrThrottled} {
		if _, err := d.CertLogin(t.Context(), Certificate{Fingerprint: "x", Name: "ani"}, addr); err != want {
			t.Errorf("try %d: %v, want %v", i+1, err, want)
		}
	}
}
