package server

import (
	"io"
	"testing"
	"time"
)

// What the operator grants reaches sessions that are there already, and a
// transfer at a low rate ends with the server's grace.
func TestTerms(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia1")
	p := h.login(ProtocolFiles, "ani", "rahasia1")
	p.put("a", noise(1<<20))
	h.operate("USERSET ani files=read", "account changed")
	p.refused("DEL a", denied)
	h.operate("USERSET ani files=full", "account changed")
	p.ask("MKD d", "Direktori dibuat")
	// At the end of an upload the terms of that moment count.
	p.ask("ALLO 3", "3")
	p.ask("PUT b", "Silakan kirim")
	h.operate("USERSET ani files=upload", "account changed")
	io.WriteString(p, "isi")
	p.next("[OK] Berkas tersimpan")
	p.ask("ALLO 3", "3")
	p.ask("PUT c", "Silakan kirim")
	h.operate("USERSET ani files=read", "account changed")
	io.WriteString(p, "isi")
	p.next("[ERR] " + denied)
	p.refused("SIZE c", noFile)

	h.operate("USERSET ani rate=1024", "account changed")
	a, err := p.Do("RETR a")
	if err != nil || a.Bytes != 1<<20 {
		t.Fatal(a, err)
	}
	start := time.Now()
	if err := h.stop(); err == nil {
		t.Error("the transfer was not cut off")
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("stopping took %v, the grace is %v", took, h.config.Load().Limits.ShutdownGrace)
	}
}
