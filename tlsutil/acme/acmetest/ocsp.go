package acmetest

import (
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
	der, err := a.block("/intermediate-keys/0")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return nil, err
	}
	return ocsp.CreateResponse(issuer, issuer, ocsp.Response{
		Status: ocsp.Good, SerialNumber: asked.SerialNumber,
		ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour),
	}, key)
}

// Intermediate is the certificate with whose key the authority signs.
func (a *Authority) Intermediate() (*x509.Certificate, error) {
	der, err := a.block("/intermediates/0")
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// block asks for what pebble gives in PEM.
func (a *Authority) block(path string) (der []byte, err error) {
	data, err := a.manage(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM: %q", path, data)
	}
	return block.Bytes, nil
}
