package main

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"posko/server/line"
)

func TestReload(t *testing.T) {
	h := newHouse(t, "signup = true\n")
	h.serve()
	address := h.address("chat")
	signUp := func(name string) error {
		p := must(h.dial(address, "posko-chat"))(t)
		defer p.Close()
		_, err := p.Do("SIGNUP " + name + " rahasia12")
		return err
	}
	if err := signUp("ani"); err != nil {
		t.Errorf("before: %v", err)
	}

	h.write(fastConfig + "signup = false\n[log]\nlevel = \"debug\"\n[tls]\nnames = [\"posko.example\"]\n")
	h.signal(syscall.SIGHUP)
	h.log.await("configuration reloaded")
	if err := signUp("budi"); err != line.Refusal("Pendaftaran ditutup") {
		t.Errorf("after a reload: %v", err)
	}
	if status := h.run("", "status").out; !strings.Contains(status, "posko.example") {
		t.Errorf("the certificate has no new name:\n%s", status)
	}
	junk := must(net.Dial("tcp", address))(t)
	io.WriteString(junk, "GET / HTTP/1.1\r\n\r\n")
	h.log.await("level=DEBUG.*connection broke")
	junk.Close()

	h.write(fastConfig + "signup = true\nsingup = true\n[tls]\nmode = \"none\"\n")
	h.signal(syscall.SIGHUP)
	h.log.await(`reload refused, nothing has changed.*accounts.singup(?s:.*)reload refused, nothing has changed.*tls.mode`)
	if err := signUp("budi"); err != line.Refusal("Pendaftaran ditutup") {
		t.Errorf("after a refused reload: %v", err)
	}

	// A file that isn't there is found before anything is changed.
	h.write(fastConfig + "signup = true\n[tls]\nmode = \"files\"\ncert = \"none.pem\"\nkey = \"none.key\"\n")
	h.signal(syscall.SIGHUP)
	h.log.await(`reload refused.*none.pem`)
	if err := signUp("budi"); err != line.Refusal("Pendaftaran ditutup") {
		t.Errorf("after a reload without a certificate: %v", err)
	}
	if status := h.run("", "status").out; !strings.Contains(status, "the last reload was refused") || !strings.Contains(status, "none.pem") {
		t.Errorf("status does not tell of the refusal:\n%s", status)
	}

	h.write(strings.Replace(fastConfig, `chat = ["127.0.0.1:0"]`, `chat = ["127.0.0.2:0"]`, 1) + "signup = true\n")
	h.signal(syscall.SIGHUP)
	h.log.await(`until the next start.*listen.chat`)
	if err := signUp("budi"); err != nil {
		t.Errorf("after a good reload: %v", err)
	}
	if status := h.run("", "status").out; !strings.Contains(status, "configuration  in use") {
		t.Errorf("status still tells of the refusal:\n%s", status)
	}
}

// TestReloadMode goes from the own authority to files and back.
func TestReloadMode(t *testing.T) {
	h := newHouse(t, "")
	h.serve()
	issuer := func() string {
		p := must(h.dial(h.address("chat"), "posko-chat"))(t)
		defer p.Close()
		return p.serial()
	}
	own := issuer()
	server := must(os.ReadFile(h.dir + "/tls/own/server.pem"))(t)
	if err := os.WriteFile(h.dir+"/mine.pem", server, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, config := range []string{"[tls]\nmode = \"files\"\ncert = \"mine.pem\"\nkey = \"mine.pem\"\n", ""} {
		h.write(fastConfig + config)
		before := strings.Count(h.log.String(), "configuration reloaded")
		h.signal(syscall.SIGHUP)
		h.log.await(`(?s:(.*configuration reloaded){` + string(rune('1'+before)) + `})`)
		if got := issuer(); got != own {
			t.Errorf("with %q: certificate %s, want %s", config, got, own)
		}
	}
}

func TestStop(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		h := newHouse(t, "")
		h.user("ani")
		h.serve()
		chat := must(h.chat(h.address("chat"), "ani"))(t)
		files := must(h.files(h.address("files"), "ani"))(t)
		h.signal(sig)
		for _, p := range []*peer{chat, files} {
			if text, err := p.ReadLine(); err != nil || text != "[INFO] Server berhenti" {
				t.Errorf("%v: got %q, %v", sig, text, err)
			}
			if _, err := p.ReadLine(); !errors.Is(err, io.EOF) {
				t.Errorf("%v: afterwards %v, want a clean end", sig, err)
			}
		}
		if status := h.exit(); status != 0 {
			t.Errorf("%v: status %d", sig, status)
		}
	}
}

// TestSecondSignal stops while an upload is under way, which has its grace.
func TestSecondSignal(t *testing.T) {
	h := newHouse(t, "")
	h.user("ani")
	h.serve()
	p := h.upload("ani")
	h.signal(syscall.SIGTERM)
	h.log.await("msg=stopping")
	select {
	case <-h.ended:
		t.Fatal("it has not waited for the upload")
	case <-time.After(50 * time.Millisecond): // is no proof, but a hint
	}
	began := time.Now()
	h.signal(syscall.SIGTERM)
	if status := h.exit(); status != 1 || time.Since(began) > 5*time.Second {
		t.Errorf("status %d after %v", status, time.Since(began))
	}
	p.Close()
}

// upload begins to upload a file of 100 bytes and sends half of it.
func (h *house) upload(name string) *peer {
	h.t.Helper()
	p := must(h.files(h.address("files"), name))(h.t)
	must(p.Do("ALLO 100"))(h.t)
	must(p.Do("PUT half"))(h.t)
	must(p.Write(make([]byte, 50)))(h.t)
	return p
}

// TestGrace lets an upload end that was under way when the server stopped.
func TestGrace(t *testing.T) {
	h := newHouse(t, "")
	h.user("ani")
	h.serve()
	p := h.upload("ani")
	h.signal(syscall.SIGTERM)
	h.log.await("msg=stopping")
	must(p.Write(make([]byte, 50)))(t)
	if a, err := p.Answer(); err != nil || a.Text != "Berkas tersimpan" {
		t.Errorf("got %q, %v", a.Text, err)
	}
	if status := h.exit(); status != 0 {
		t.Errorf("status %d", status)
	}
}

// TestGraceOver cuts off an upload that doesn't end.
func TestGraceOver(t *testing.T) {
	h := newHouse(t, "[limits]\nshutdown_grace = \"100ms\"\n")
	h.user("ani")
	h.serve()
	p := h.upload("ani")
	h.signal(syscall.SIGTERM)
	if status := h.exit(); status != 0 {
		t.Errorf("status %d", status)
	}
	if text, err := p.ReadLine(); err == nil {
		t.Errorf("got %q, want a broken connection", text)
	}
	h.log.await("cut off at the end of the grace")
}

// TestSessionsEnd has an operator end sessions: those that idle, and those in
// the middle of a transfer.
func TestSessionsEnd(t *testing.T) {
	for _, tt := range []struct{ input, command, farewell string }{
		{"", "user del --yes ani", "[INFO] Akun Anda dihapus"},
		{"", "user disable ani", "[INFO] Akun Anda dinonaktifkan"},
		{"rahasia13\n", "user passwd ani --stdin", "[INFO] Password Anda diganti"},
	} {
		t.Run(tt.command, func(t *testing.T) {
			h := newHouse(t, "")
			h.user("ani")
			h.user("budi")
			h.serve()
			chat := must(h.chat(h.address("chat"), "ani"))(t)
			files := must(h.files(h.address("files"), "ani"))(t)
			other := must(h.chat(h.address("chat"), "budi"))(t)
			up := h.upload("ani")
			down := h.download("ani")

			h.must(tt.input, strings.Fields(tt.command)...)
			soon := time.Now().Add(time.Second)
			for name, p := range map[string]*peer{"chat": chat, "files": files} {
				p.nc.SetDeadline(soon)
				if text, err := p.ReadLine(); err != nil || text != tt.farewell {
					t.Errorf("%s: got %q, %v", name, text, err)
				}
				if _, err := p.ReadLine(); !errors.Is(err, io.EOF) {
					t.Errorf("%s: afterwards %v", name, err)
				}
			}
			for name, p := range map[string]*peer{"upload": up, "download": down} {
				p.nc.SetDeadline(soon)
				if _, err := io.Copy(io.Discard, p.nc); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: not ended within a second", name)
				}
			}
			if _, err := other.Do("PING"); err != nil {
				t.Errorf("another account: %v", err)
			}
			if _, err := h.chat(h.address("chat"), "ani"); err == nil {
				t.Error("ani can still log in with the old password")
			}
			if strings.Contains(tt.command, "del") {
				return
			}
			h.must("", "user", "enable", "ani")
			h.must(passwordOf("ani")+"\n", "user", "passwd", "ani", "--stdin")
			again := must(h.files(h.address("files"), "ani"))(t)
			a := must(again.Do("LIST"))(t)
			if len(a.Rows) != 1 || !strings.HasSuffix(a.Rows[0], " big") {
				t.Errorf("the upload that was cut off can be seen: %q", a.Rows)
			}
		})
	}
}

// download begins to fetch a file that no buffer between the two ends holds,
// and reads none of it.
func (h *house) download(name string) *peer {
	h.t.Helper()
	const size = 32 << 20
	p := must(h.files(h.address("files"), name))(h.t)
	must(p.Do("ALLO 33554432"))(h.t)
	must(p.Do("PUT big"))(h.t)
	must(p.Write(make([]byte, size)))(h.t)
	must(p.Answer())(h.t)
	if a := must(p.Do("GET big"))(h.t); a.Bytes != size {
		h.t.Fatalf("%d bytes", a.Bytes)
	}
	return p
}
