package server

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"posko/server/store"
)

// backUp returns a backup of a server that is running.
func (h *house) backUp() []byte {
	h.tb.Helper()
	var b bytes.Buffer
	if _, err := Backup(h.tb.Context(), h.dir, store.Copy, &b); err != nil {
		h.tb.Fatal(err)
	}
	return b.Bytes()
}

func TestBackup(t *testing.T) {
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia1")
	h.user("budi", "rahasia2")
	h.group("dapur", "kunci", "ani", "budi")
	ani := h.login(ProtocolChat, "ani", "rahasia1")
	ani.ask("SENDGROUP dapur halo", "Pesan terkirim")
	files := h.login(ProtocolFiles, "ani", "rahasia1")
	files.ask("MKD kosong", "Direktori dibuat")
	files.put("satu", "isi satu")
	files.put("/grup/dapur/tiga", "isi tiga")
	// An upload under way is no part of it.
	files.ask("ALLO 10", "10")
	files.ask("PUT dua", "Silakan kirim")
	files.Write([]byte("lima5"))
	folder := h.login(ProtocolFiles, "budi", "rahasia2")
	folder.ask("ALLO 10", "10")
	folder.ask("PUT /grup/dapur/empat", "Silakan kirim")
	folder.Write([]byte("lima5"))

	saved := h.backUp()
	ani.ask("SENDGROUP dapur nanti", "Pesan terkirim")
	if left, _ := filepath.Glob(filepath.Join(h.dir, workPrefix+"*")); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}

	dir := filepath.Join(t.TempDir(), "state")
	if _, err := Unpack(t.Context(), bytes.NewReader(saved), dir); err != nil {
		t.Fatal(err)
	}
	if tmp, _ := filepath.Glob(filepath.Join(dir, "*/*/tmp/*")); len(tmp) > 0 {
		t.Errorf("unfinished uploads: %q", tmp)
	}
	again := openHouse(t, testConfig(), dir)
	again.own.CAFile()
	if again.own.Certificate().SerialNumber.Cmp(h.own.Certificate().SerialNumber) != 0 {
		t.Error("another authority")
	}
	budi := again.login(ProtocolChat, "budi", "rahasia2")
	if a := budi.ask("CHECK", "1 baris"); !strings.HasSuffix(a.Rows[0], " GRUP dapur ani halo") {
		t.Errorf("CHECK: %q", a.Rows)
	}
	files = again.login(ProtocolFiles, "ani", "rahasia1")
	a := files.ask("LIST", "3 baris")
	if !strings.HasSuffix(a.Rows[0], " grup") || !strings.HasPrefix(a.Rows[1], "d 0 ") || !strings.HasSuffix(a.Rows[2], " satu") {
		t.Errorf("LIST: %q", a.Rows)
	}
	if got := files.get("satu"); got != "isi satu" {
		t.Errorf("RETR: %q", got)
	}
	if got := again.login(ProtocolFiles, "budi", "rahasia2").get("/grup/dapur/tiga"); got != "isi tiga" {
		t.Errorf("RETR from the folder: %q", got)
	}
}

// A file that is replaced while a backup runs is in it whole, old or new.
func TestBackupWhileChanging(t *testing.T) {
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia1")
	p := h.login(ProtocolFiles, "ani", "rahasia1")
	contents := []string{strings.Repeat("a", 300_000), strings.Repeat("b", 500_000)}
	p.put("berkas", contents[0])
	saved := make(chan []byte, 20)
	go func() {
		defer close(saved)
		for range cap(saved) {
			var b bytes.Buffer
			if _, err := Backup(t.Context(), h.dir, store.Copy, &b); err != nil {
				t.Error(err)
			}
			saved <- b.Bytes()
		}
	}()
	n := 0
	for b := range saved {
		n++
		p.put("berkas", contents[n%2])
		p.put("lain", contents[n%2])
		p.ask("DEL lain", "Berkas dihapus")
		dir := filepath.Join(t.TempDir(), "state")
		if _, err := Unpack(t.Context(), bytes.NewReader(b), dir); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "files/1/data/berkas"))
		if err != nil || string(got) != contents[0] && string(got) != contents[1] {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
}

// What was cut off or changed anywhere is refused, and nothing is left of it.
func TestUnpackDamaged(t *testing.T) {
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia1")
	h.login(ProtocolFiles, "ani", "rahasia1").put("berkas", strings.Repeat("isi ", 1000))
	good := h.backUp()
	parent := t.TempDir()
	dir := filepath.Join(parent, "state")
	refused := func(what string, b []byte) {
		t.Helper()
		if _, err := Unpack(t.Context(), bytes.NewReader(b), dir); err == nil {
			t.Errorf("%s: unpacked", what)
			os.RemoveAll(dir)
		}
		if left, _ := os.ReadDir(parent); len(left) > 0 {
			t.Fatalf("%s: left over: %v", what, left)
		}
	}
	end := bytes.LastIndex(good, []byte(backupEnd))
	for at := 0; at < end; at += 4099 {
		refused("cut at "+strconv.Itoa(at), good[:at])
	}
	refused("without its end", good[:end-end%512])
	at := bytes.Index(good, []byte("isi isi"))
	changed := bytes.Clone(good)
	changed[at] ^= 1
	refused("changed", changed)
	refused("nothing", nil)
	refused("text", []byte(strings.Repeat("no backup ", 1000)))
}

// A name leads nowhere but into the directory.
func TestUnpackHostile(t *testing.T) {
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeReg, Name: "../outside"},
		{Typeflag: tar.TypeReg, Name: "files/../../outside"},
		{Typeflag: tar.TypeReg, Name: "/outside"},
		{Typeflag: tar.TypeDir, Name: "../outside/"},
		{Typeflag: tar.TypeSymlink, Name: "files", Linkname: ".."},
		{Typeflag: tar.TypeLink, Name: "a", Linkname: "posko.db"},
		{Typeflag: tar.TypeFifo, Name: "a"},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: backupHead})
		h.Mode = 0o600
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		w.Close()
		parent := t.TempDir()
		if _, err := Unpack(t.Context(), &b, filepath.Join(parent, "state")); err == nil {
			t.Errorf("%q: unpacked", h.Name)
		}
		if left, _ := os.ReadDir(parent); len(left) > 0 {
			t.Errorf("%q: left over: %v", h.Name, left)
		}
	}
}

// state makes a state directory in miniature.
func state(t *testing.T, dir, content string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func wantState(t *testing.T, dir, content string, names ...string) {
	t.Helper()
	for _, name := range names {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != content {
			t.Errorf("%s: %q, %v, want %q", name, got, err, content)
		}
	}
}

// oldState is what the tests' directories hold before a restore.
var oldState = []string{"posko.db", "posko.db-wal", "posko.db-shm", "files/1/data/f", "tls/own/ca.key"}

func TestRestore(t *testing.T) {
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia1")
	h.login(ProtocolFiles, "ani", "rahasia1").put("berkas", "isi")
	saved := h.backUp()

	dir := t.TempDir()
	state(t, dir, "old", append(oldState, "config.toml", "lock")...)
	state(t, dir, "left over", "restoring/x")
	damaged := errors.New("damaged")
	bad := func(context.Context, string) error { return damaged }
	for _, try := range []struct {
		check func(context.Context, string) error
		b     []byte
	}{{bad, saved}, {store.Check, saved[:len(saved)/2]}} {
		if _, _, err := Restore(t.Context(), dir, try.check, bytes.NewReader(try.b)); err == nil {
			t.Error("a bad backup was restored")
		}
		wantState(t, dir, "old", append(oldState, "config.toml", "lock")...)
		if entries, _ := os.ReadDir(dir); len(entries) != 7 {
			t.Errorf("left over: %v", entries)
		}
	}
	files, old, err := Restore(t.Context(), dir, store.Check, bytes.NewReader(saved))
	if err != nil || files < 3 {
		t.Fatalf("%d files, %v", files, err)
	}
	wantState(t, dir, "isi", "files/1/data/berkas")
	wantState(t, dir, "old", "config.toml", "lock")
	wantState(t, old, "old", oldState...)
	if left, _ := filepath.Glob(filepath.Join(dir, "posko.db-*")); len(left) > 0 {
		t.Errorf("another database's log: %q", left)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "restor*")); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

// TestRestoreCrash ends a restore after each of its steps.
func TestRestoreCrash(t *testing.T) {
	steps := [][2]string{
		{"posko.db-wal", "restore-ready/old/posko.db-wal"},
		{"posko.db-shm", "restore-ready/old/posko.db-shm"},
		{"posko.db", "restore-ready/old/posko.db"},
		{"restore-ready/posko.db", "posko.db"},
		{"files", "restore-ready/old/files"},
		{"restore-ready/files", "files"},
		{"tls", "restore-ready/old/tls"},
		{"restore-ready/tls", "tls"},
		{"restore-ready/old", "before-restore-x"},
	}
	for n := range len(steps) + 1 {
		dir := t.TempDir()
		state(t, dir, "old", oldState...)
		state(t, filepath.Join(dir, "restore-ready"), "new", "posko.db", "files/1/data/g", "tls/own/ca.key")
		if err := os.Mkdir(filepath.Join(dir, "restore-ready/old"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, step := range steps[:n] {
			if err := os.Rename(filepath.Join(dir, step[0]), filepath.Join(dir, step[1])); err != nil {
				t.Fatal(err)
			}
		}
		if err := FinishRestore(dir); err != nil {
			t.Fatal(n, err)
		}
		wantState(t, dir, "new", "posko.db", "files/1/data/g", "tls/own/ca.key")
		old, _ := filepath.Glob(filepath.Join(dir, "before-restore-*"))
		if len(old) != 1 {
			t.Fatalf("after %d steps: %q", n, old)
		}
		wantState(t, old[0], "old", oldState...)
		if entries, _ := os.ReadDir(dir); len(entries) != 4 {
			t.Errorf("after %d steps: %v", n, entries)
		}
		if err := FinishRestore(dir); err != nil {
			t.Error(n, err)
		}
	}
}
