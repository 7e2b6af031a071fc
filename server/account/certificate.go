package account

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// The refusals of client certificates.
var (
	ErrNoCertificate    = errors.New("account: the client has shown no certificate")
	ErrCertificate      = errors.New("account: the certificate is no account's")
	ErrRevoked          = fmt.Errorf("%w: it was taken away", ErrCertificate)
	ErrCertificateTaken = errors.New("account: the certificate is another account's")
	ErrFingerprint      = errors.New("account: not a SHA-256 fingerprint")
)

// A Certificate is what a client has shown, and proven to be its own, in the
// TLS handshake. The zero value is none.
type Certificate struct {
	Fingerprint string // as ParseFingerprint returns it
	// Name is the account that the server's own authority has issued it for,
	// at Issued. It is "" for a certificate that another authority has signed,
	// whatever that one says.
	Name   string
	Issued time.Time // in whole seconds
}

// Bound is a certificate of an account's.
type Bound struct {
	Fingerprint string
	Revoked     bool
	Added       time.Time // or taken away
}

// ParseFingerprint takes 64 hexadecimal digits, with or without colons, in any
// letter case, and returns them as openssl writes them: AB:CD:…
func ParseFingerprint(text string) (string, error) {
	sum, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err != nil || len(sum) != 32 {
		return "", ErrFingerprint
	}
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":"), nil
}

// CertLogin returns the account that a certificate is bound to, or else the one
// that it was issued for. It returns ErrNoCertificate, ErrThrottled, or
// ErrCertificate, which a disabled account's gets as well and which counts as a
// wrong password does.
//
// A name may be given again: a certificate that is older than the account of
// its name was another's.
func (d *Directory) CertLogin(ctx context.Context, c Certificate, addr netip.Addr) (Account, error) {
	if c.Fingerprint == "" {
		return Account{}, ErrNoCertificate
	}
	if !ValidName(c.Name) {
		c.Name = ""
	}
	end, err := d.throttle.begin(ctx, d.options.Load().Throttle, target{account: Key(c.Name)}, addr)
	if err != nil {
		return Account{}, err
	}
	a, err := d.holder(ctx, c)
	switch {
	case err == nil:
		end(succeeded)
	case errors.Is(err, ErrCertificate):
		end(failed)
	default:
		end(withdrawn)
	}
	return a, err
}

// holder returns the account whose certificate it is, or ErrCertificate.
func (d *Directory) holder(ctx context.Context, c Certificate) (a Account, err error) {
	id, err := d.store.CertificateAccount(ctx, c.Fingerprint)
	switch {
	case err == nil:
		a, err = d.store.AccountByID(ctx, id)
	case errors.Is(err, ErrCertificate) && !errors.Is(err, ErrRevoked) && c.Name != "":
		a, err = d.store.AccountByName(ctx, Key(c.Name))
		if err == nil && c.Issued.Before(a.Created.Truncate(time.Second)) {
			err = ErrCertificate
		}
	}
	if errors.Is(err, ErrNoAccount) || err == nil && a.Disabled {
		err = ErrCertificate
	}
	if err != nil {
		return Account{}, err
	}
	return a, nil
}

// AddCertificate binds a certificate to an account. It returns ErrFingerprint,
// ErrNoAccount or ErrCertificateTaken.
func (d *Directory) AddCertificate(ctx context.Context, id int64, fingerprint string) error {
	fingerprint, err := ParseFingerprint(fingerprint)
	if err == nil {
		_, err = d.store.SetCertificate(ctx, id, fingerprint, false)
	}
	return err
}

// RevokeCertificate takes a certificate away from an account for good, be it
// bound to the account or only issued for it. To end the account's sessions is
// the caller's part. It returns the errors of AddCertificate.
func (d *Directory) RevokeCertificate(ctx context.Context, id int64, fingerprint string) error {
	fingerprint, err := ParseFingerprint(fingerprint)
	if err == nil {
		_, err = d.store.SetCertificate(ctx, id, fingerprint, true)
	}
	return err
}

// Certificates lists those that were bound to an account or taken away from it,
// the oldest first.
func (d *Directory) Certificates(ctx context.Context, id int64) ([]Bound, error) {
	return d.store.Certificates(ctx, id)
}
