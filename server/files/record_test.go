package files

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posko/server/sandbox"
)

// deeds returns what the log has of transfers since it was reset, each without
// what differs from one run to the next.
func (h *house) deeds() []string {
	changing := regexp.MustCompile(`^time=\S+ level=INFO msg=|127\.0\.0\.1:\d+|duration=\S+`)
	var all []string
	for l := range strings.Lines(h.log.String()) {
		if l = changing.ReplaceAllString(l, ""); !strings.HasPrefix(l, "log") {
			all = append(all, strings.TrimSuffix(l, "\n"))
		}
	}
	return all
}

func (h *house) wantDeeds(want ...string) {
	h.t.Helper()
	if diff := cmp.Diff(want, h.deeds()); diff != "" {
		h.t.Errorf("logged (-want +got):\n%s", diff)
	}
	h.log.reset()
}

func TestRecord(t *testing.T) {
	h := newHouse(t, rules{})
	h.add("ani", "rahasia1")
	g := h.login("ani", "rahasia1")
	h.log.reset()
	g.put("a", "12345")
	h.wantDeeds("upload account=ani address= path=/a bytes=5  result=ok")
	g.says("PUT b", `[OK] Kirim isi berkas, akhiri dengan baris "."`)
	g.says("satu\n.", "[OK] Berkas tersimpan")
	h.wantDeeds("upload account=ani address= path=/b bytes=5  result=ok")
	g.says("GET a", "[OK] 5 byte")
	if err := g.ReadData(io.Discard, 5); err != nil {
		t.Fatal(err)
	}
	g.says("NOOP", "[OK] Siap") // the line comes after the data
	h.wantDeeds("download account=ani address= path=/a bytes=5  result=ok")
	g.says("RETR tiada", "[ERR] Berkas tidak ditemukan")
	h.wantDeeds(`download account=ani address= path=/tiada bytes=0  result=refused err="sandbox: no such file or directory"`)
	g.says("RNFR a", "[OK] Silakan kirim RNTO")
	// A name that would like to be more than a name.
	g.says(`RNTO x result=ok account=budi "`, "[OK] Nama diganti")
	h.wantDeeds(`rename account=ani address= path=/a to="/x result=ok account=budi \""  result=ok`)
	g.says(`DEL x result=ok account=budi "`, "[OK] Berkas dihapus")
	h.wantDeeds(`delete account=ani address= path="/x result=ok account=budi \""  result=ok`)
	g.says("DEL ../../a\u00a0b/"+strings.Repeat("x", 300), "[ERR] Nama tidak sah")
	h.wantDeeds(`delete account=ani address= path="../../a\u00a0b/` + strings.Repeat("x", 300) + `"  result=refused err="sandbox: invalid name"`)
	g.says("PUT tiada/a", "[ERR] Berkas tidak ditemukan")
	g.closed()
	h.wantDeeds(`upload account=ani address= path=/tiada/a bytes=0  result=refused err="sandbox: no such file or directory"`)
}

// Whatever breaks off is logged with what was moved.
func TestRecordAborted(t *testing.T) {
	h := newHouse(t, rules{})
	h.add("ani", "rahasia1")
	xferlog := filepath.Join(t.TempDir(), "xferlog")
	file, err := OpenXferlog(xferlog)
	if err != nil {
		t.Fatal(err)
	}
	h.Xferlog.Use(file)
	size := 64 << 20 // more than sockets hold
	g := h.login("ani", "rahasia1")
	g.put("a", strings.Repeat("x", size))
	h.log.reset()
	g.says("RETR a", "[OK] 67108864 byte")
	g.nc.Close()
	h.gone()
	if got := h.deeds(); len(got) != 1 || !regexp.MustCompile(`^download account=ani .*bytes=\d+  result=aborted err=`).MatchString(got[0]) {
		t.Errorf("logged %q", got)
	}
	g = h.login("ani", "rahasia1")
	h.log.reset()
	g.says("ALLO 1000", "[OK] 1000")
	g.says("PUT b", "[OK] Silakan kirim")
	io.WriteString(g, "12345")
	g.nc.Close()
	h.gone()
	if got := h.deeds(); len(got) != 1 || !strings.HasPrefix(got[0], "upload account=ani address= path=/b bytes=5  result=aborted err=") {
		t.Errorf("logged %q", got)
	}
	lines := xferLines(t, xferlog)
	if len(lines) != 3 || !strings.HasSuffix(lines[1], " /a b _ o r ani posko 0 * i") || !strings.HasSuffix(lines[2], " 5 /b b _ i r ani posko 0 * i") {
		t.Errorf("xferlog: %q", lines)
	}
}

func xferLines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func TestXferlog(t *testing.T) {
	h := newHouse(t, rules{})
	h.add("ani", "rahasia1")
	path := filepath.Join(t.TempDir(), "xferlog")
	file, err := OpenXferlog(path)
	if err != nil {
		t.Fatal(err)
	}
	h.Xferlog.Use(file)
	h.Disk.SetOptions(sandbox.Options{Trash: time.Hour})
	g := h.login("ani", "rahasia1")
	g.put("a b\tc\u00a0d * i", "12345")
	g.says("GET a b\tc\u00a0d * i", "[OK] 5 byte")
	if err := g.ReadData(io.Discard, 5); err != nil {
		t.Fatal(err)
	}
	g.says("RNFR a b\tc\u00a0d * i", "[OK] Silakan kirim RNTO")
	g.says("RNTO a", "[OK] Nama diganti")
	g.says("DEL tiada", "[ERR] Berkas tidak ditemukan")
	g.says("DEL a", "[OK] Berkas dihapus")
	g.says("UNDEL a", "[OK] Berkas dikembalikan") // which the format has no letter for
	lines := xferLines(t, path)
	for i, want := range []string{
		" 127.0.0.1 5 /a_b_c_d_*_i b _ i r ani posko 0 * c",
		" 127.0.0.1 5 /a_b_c_d_*_i b _ o r ani posko 0 * c",
		" 127.0.0.1 0 /a b _ d r ani posko 0 * c",
	} {
		if i >= len(lines) || !regexp.MustCompile(`^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} \d+`+regexp.QuoteMeta(want)+`$`).MatchString(lines[i]) {
			t.Fatalf("line %d of %q, want %q", i, lines, want)
		}
	}
	if len(lines) != 3 {
		t.Errorf("%q", lines)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&^0o640 != 0 {
		t.Error(info.Mode(), err)
	}
}

// A full disk disturbs no transfer, and is logged, once in a while.
func TestXferlogFull(t *testing.T) {
	h := newHouse(t, rules{})
	h.add("ani", "rahasia1")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	h.Xferlog.Use(full)
	g := h.login("ani", "rahasia1")
	g.put("a", "isi")
	g.put("b", "isi")
	if n := strings.Count(h.log.String(), "transfer not written to the xferlog"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, h.log)
	}
	path := filepath.Join(t.TempDir(), "xferlog")
	file, err := OpenXferlog(path)
	if err != nil {
		t.Fatal(err)
	}
	h.Xferlog.Use(file)
	h.Xferlog.torn = true // as if half of a line had been written
	g.put("c", "isi")
	if lines := xferLines(t, path); len(lines) != 2 || lines[0] != "" || !strings.Contains(lines[1], " /c ") {
		t.Errorf("%q", lines)
	}
}

// What is not a file of its own is not opened, and nobody waits for a FIFO.
func TestXferlogOpen(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	for name, err := range map[string]error{
		"link":    os.Symlink(target, filepath.Join(dir, "link")),
		"dir":     os.Mkdir(filepath.Join(dir, "dir"), 0o700),
		"tiada/x": nil,
	} {
		if err != nil {
			t.Fatal(err)
		}
		if f, err := OpenXferlog(filepath.Join(dir, name)); err == nil {
			f.Close()
			t.Errorf("%s was opened", name)
		}
	}
	if f, err := OpenXferlog("/dev/null"); err == nil {
		f.Close()
		t.Error("a device was opened")
	}
	if _, err := os.Lstat(target); !os.IsNotExist(err) {
		t.Errorf("the link was followed: %v", err)
	}
	var none *Xferlog
	none.record("ani", nil, &deed{what: upload, began: time.Now()})
	NewXferlog(slog.New(slog.DiscardHandler)).Use(nil)
}
