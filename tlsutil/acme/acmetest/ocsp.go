package acmetest

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/crypto/ocsp"
)

// AnswerOCSP has the authority's certificates name a responder (RFC 6960), which
// says that they are good. It is to be called before Start.
func (a *Authority) AnswerOCSP() {
	a.t.Helper()
	l := a.listen()
	a.ocsp = "http://" + l.Addr().String()
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := a.respond(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/ocsp-response")
		w.Write(answer)
	})}
	go s.Serve(l)
	a.t.Cleanup(func() { s.Close() })
}

func (a *Authority) respond(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	asked, err := ocsp.ParseRequest(body)
	if err != nil {
		return nil, err
	}
	issuer, err := a.Intermediate()
	if err != nil {
		return nil, err
	}
	data, err := a.manage("/intermediate-keys/0")
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("no key: %q", data)
	}
	var key any
	if key, err = x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
		if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			return nil, err
		}
	}
	return ocsp.CreateResponse(issuer, issuer, ocsp.Response{
		Status: ocsp.Good, SerialNumber: asked.SerialNumber,
		ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour),
	}, key.(crypto.Signer))
}

// Intermediate is the certificate with whose key the authority signs.
func (a *Authority) Intermediate() (*x509.Certificate, error) {
	data, err := a.manage("/intermediates/0")
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("no certificate: %q", data)
	}
	return x509.ParseCertificate(block.Bytes)
}
