package files

import (
	"strings"
	"testing"
	"time"

	"posko/server/sandbox"
)

// What one session has found room for is another's again once it has ended.
func TestAllotmentEnds(t *testing.T) {
	h := newHouse(t, rules{})
	h.Disk.SetOptions(sandbox.Options{Quota: sandbox.Quota{Bytes: 10}})
	h.add("ani", "rahasia1")
	one, two := h.login("ani", "rahasia1"), h.login("ani", "rahasia1")
	one.says("ALLO 6", "[OK] 6")
	two.says("QUOTA", "[OK] 6 10 1 0")
	two.says("ALLO 5", "[ERR] Kuota terlampaui")
	one.Close()
	h.gone()
	two.says("QUOTA", "[OK] 0 10 0 0")
	two.says("ALLO 10", "[OK] 10")
	two.says("ALLO x", "[ERR] Format perintah tidak sesuai")
	two.says("QUOTA", "[OK] 0 10 0 0")
}

// A version comes back by its id, also where a later one had the same name.
func TestUndelID(t *testing.T) {
	h := newHouse(t, rules{})
	h.Disk.SetOptions(sandbox.Options{Trash: time.Hour})
	h.add("ani", "rahasia1")
	g := h.login("ani", "rahasia1")
	g.put("a", "satu")
	g.put("a", "dua")
	g.says("DEL a", "[OK] Berkas dihapus")
	answer, err := g.Do("TRASH")
	if err != nil || len(answer.Rows) != 2 {
		t.Fatalf("%q, %v", answer.Rows, err)
	}
	id, rest, _ := strings.Cut(answer.Rows[0], " ")
	if !strings.HasSuffix(rest, " 4 /a") {
		t.Fatalf("row %q", rest)
	}
	g.says("MKD d", "[OK] Direktori dibuat")
	g.says("CD d", "[OK] /d")
	g.says("UNDEL "+id, "[OK] Berkas dikembalikan")
	g.says("SIZE /a", "[OK] 4")
	g.says("UNDEL "+id, "[ERR] Berkas tidak ditemukan")
}
