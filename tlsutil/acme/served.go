package acme

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ocsp"

	"posko/tlsutil"
)

const (
	triesFile = "tries.json"
	certEnd   = ".pem"  // key, certificate with its chain, OCSP response
	maxFile   = 1 << 20 // more than any of these files needs

	keyBlock  = "PRIVATE KEY"
	certBlock = "CERTIFICATE"
	ocspBlock = "OCSP RESPONSE"
)

// A Try is how a try to get or renew a certificate went.
type Try struct {
	At   time.Time `json:"at"`
	Err  string    `json:"err,omitzero"`  // in plain words; "" if it went well
	Next time.Time `json:"next,omitzero"` // when the next one is, if that is known
}

// served is the Obtainer's end of the folder "served".
type served struct {
	dir     string
	written map[string][]byte // by file; the publishing goroutine's own

	mu    sync.Mutex
	tries map[string]Try // by name
}

// open lets the group read the folder and takes up what an earlier run has
// reported.
func (s *served) open() error {
	if err := os.Chmod(s.dir, 0o750); err != nil {
		return err
	}
	tries, err := readTries(s.dir)
	if err != nil {
		tries = map[string]Try{} // those of an hour ago are no loss
	}
	s.tries = tries
	return nil
}

// write puts a certificate into its file, if that does not hold it already.
func (s *served) write(name string, cert *tls.Certificate) error {
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return err
	}
	var file bytes.Buffer
	pem.Encode(&file, &pem.Block{Type: keyBlock, Bytes: key})
	for _, der := range cert.Certificate {
		pem.Encode(&file, &pem.Block{Type: certBlock, Bytes: der})
	}
	if cert.OCSPStaple != nil {
		pem.Encode(&file, &pem.Block{Type: ocspBlock, Bytes: cert.OCSPStaple})
	}
	base := fileName(name)
	if bytes.Equal(s.written[base], file.Bytes()) {
		return nil
	}
	if err := tlsutil.WriteFile(s.dir, base, file.Bytes(), 0o640); err != nil {
		return err
	}
	s.written[base] = file.Bytes()
	return nil
}

// keep removes the certificates, with their keys, of names other than these. It
// leaves alone what write never makes.
func (s *served) keep(names []string) error {
	var files []string
	for _, name := range names {
		files = append(files, fileName(name))
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		name, ours := strings.CutSuffix(entry.Name(), certEnd)
		if !ours || !entry.Type().IsRegular() || slices.Contains(files, entry.Name()) {
			continue
		}
		// With a star, too, the file is called as a name could be.
		if parsed, err := tlsutil.ParseNames([]string{name}); err == nil && parsed[0] == name {
			errs = append(errs, os.Remove(filepath.Join(s.dir, entry.Name())))
		}
	}
	return errors.Join(errs...)
}

// report notes how a try went.
func (s *served) report(name string, try Try) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries[name] = try
	data, err := json.MarshalIndent(s.tries, "", "\t")
	if err != nil {
		return err
	}
	return tlsutil.WriteFile(s.dir, triesFile, append(data, '\n'), 0o640)
}

// fileName is the file of a name's certificate. A name holds nothing but what
// tlsutil.ParseNames lets by, of which a file's name can't have the star.
func fileName(name string) string { return strings.Replace(name, "*", "_", 1) + certEnd }

// readCertificate reads the file of a name's certificate, with a Leaf that is
// valid for the name.
func readCertificate(dir, name string) (*tls.Certificate, error) {
	data, err := readFile(dir, fileName(name))
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(data, data)
	if err != nil {
		return nil, err
	}
	if err := cert.Leaf.VerifyHostname(strings.Replace(name, "*", "_", 1)); err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == ocspBlock && current(block.Bytes) {
			cert.OCSPStaple = block.Bytes
		}
	}
	return &cert, nil
}

// current says whether an OCSP response may be stapled still: clients refuse one
// that has ended, and do without where there is none. Whether it is true is the
// Obtainer's part.
func current(response []byte) bool {
	r, err := ocsp.ParseResponse(response, nil)
	return err == nil && (r.NextUpdate.IsZero() || time.Now().Before(r.NextUpdate))
}

// readTries reads what the Obtainer has reported; nothing is no error.
func readTries(dir string) (map[string]Try, error) {
	tries := map[string]Try{}
	data, err := readFile(dir, triesFile)
	if errors.Is(err, fs.ErrNotExist) {
		return tries, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &tries); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, triesFile), err)
	}
	return tries, nil
}

// readFile reads a file that another user may have put there: a link out of the
// folder, a pipe or an endless file are errors.
func readFile(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is not a file of a certificate", filepath.Join(dir, name))
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}
