package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// prepare pins this process, makes the directories and the peers' certificate,
// and builds poskod for profiling if that is asked for.
func (b *bench) prepare(ctx context.Context) (err error) {
	if b.poskod, err = filepath.Abs(b.poskod); err != nil {
		return err
	}
	if b.memory, err = os.MkdirTemp("/dev/shm", "posko-bench-"); err != nil {
		return err
	}
	if err := os.Chmod(b.memory, 0o755); err != nil { // some peers serve as another user
		return err
	}
	if err := os.MkdirAll("var", 0o700); err != nil {
		return err
	}
	if b.disk, err = os.MkdirTemp("var", "bench-"); err != nil {
		return err
	}
	if b.disk, err = filepath.Abs(b.disk); err != nil {
		return err
	}
	if b.profiles != "" {
		if err := os.MkdirAll(b.profiles, 0o700); err != nil {
			return err
		}
		b.poskod = filepath.Join(b.memory, "poskod")
		if _, err := run(ctx, "", "go", "build", "-tags", "profile", "-o", b.poskod, "./cmd/poskod"); err != nil {
			return err
		}
	}
	if err := b.certify(); err != nil {
		return err
	}
	b.serverCPU, err = pinSelf()
	return err
}

// clean removes what prepare made.
func (b *bench) clean() {
	for _, dir := range []string{b.memory, b.disk} {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
}

// dir makes a directory for a server, on a disk or in memory.
func (b *bench) dir(disk bool) (string, error) {
	if disk {
		return os.MkdirTemp(b.disk, "")
	}
	return os.MkdirTemp(b.memory, "")
}

// certify makes the peers' certificate: ECDSA P-256, as posko's own.
func (b *bench) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		DNSNames:     []string{"localhost"},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	b.cert, b.key = filepath.Join(b.memory, "cert.pem"), filepath.Join(b.memory, "key.pem")
	if err := os.WriteFile(b.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(b.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}
