package server

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The folder of a dropped group is out of reach at once, is kept over a restart,
// and comes back with the group, for plain members as it was. That of a group
// whose time in the trash is over is removed.
func TestDroppedFolder(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia1")
	h.user("budi", "rahasia2")
	h.group("dapur", "kunci", "ani", "budi")
	h.login(ProtocolChat, "ani", "rahasia1").ask("READONLY dapur ON", "Anggota kini hanya dapat membaca folder grup")
	p := h.login(ProtocolFiles, "ani", "rahasia1")
	p.put("/grup/dapur/a", "isi")
	p.ask("CD grup/dapur", "/grup/dapur")
	kept := h.onGroup("dapur", "data/a")
	id := filepath.Base(h.onGroup("dapur", ""))
	h.operate("GROUPDROP dapur", "group dropped")
	p.refused("RETR a", noFile)
	// A new group of that name has a folder of its own.
	h.group("dapur", "kunci", "ani")
	p.ask("LIST", "0 baris")
	p.put("b", "baru")
	h.operate("GROUPDROP dapur", "group dropped")
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	forgotten := filepath.Join(h.dir, "groups", "99", "data")
	if err := os.MkdirAll(forgotten, 0o700); err != nil {
		t.Fatal(err)
	}
	again := openHouse(t, testConfig(), h.dir)
	eventually(t, "the folder of a forgotten group is removed", func() bool {
		_, err := os.Stat(filepath.Dir(forgotten))
		return os.IsNotExist(err)
	})
	if _, err := os.Stat(kept); err != nil {
		t.Fatal(err)
	}
	again.operate("GROUPRESTORE "+id, "group restored")
	p = again.login(ProtocolFiles, "ani", "rahasia1")
	if got := p.get("/grup/dapur/a"); got != "isi" {
		t.Errorf("got %q", got)
	}
	again.login(ProtocolFiles, "budi", "rahasia2").refused("DEL /grup/dapur/a", denied)
}

// What an account has stored in a group's folder stays when it is deleted.
func TestFolderOutlivesAccount(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia1")
	h.user("budi", "rahasia2")
	h.group("dapur", "kunci", "ani", "budi")
	h.login(ProtocolFiles, "budi", "rahasia2").put("/grup/dapur/a", "isi")
	h.operate("USERDEL budi", "account and its files deleted, sessions ended")
	if got := h.login(ProtocolFiles, "ani", "rahasia1").get("/grup/dapur/a"); got != "isi" {
		t.Errorf("got %q", got)
	}
}

// An upload into the folder of a group that is dropped meanwhile is refused at
// its end, also where another group has taken the name, and leaves nothing in
// either folder. What broke off before comes back with the group.
func TestDropWhileUploading(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Files.Partial = Duration(time.Hour)
	cfg.Files.GroupQuota = 1 << 20
	h := newHouse(t, cfg)
	h.user("ani", "rahasia1")
	h.user("budi", "rahasia2")
	h.group("dapur", "kunci", "ani", "budi")
	enter := func() *peer {
		p := h.login(ProtocolFiles, "budi", "rahasia2")
		p.ask("CD /grup/dapur", "/grup/dapur")
		return p
	}
	begin := func(name string) *peer {
		p := enter()
		p.ask("ALLO 10", "10")
		p.ask("PUT "+name, "Silakan kirim")
		io.WriteString(p, "01234")
		return p
	}
	begin("putus").Close()
	p := enter()
	eventually(t, "what broke off is kept", func() bool {
		a, err := p.Do("PART putus")
		return err == nil && a.Text == "5"
	})
	one, two := begin("satu"), begin("dua")
	p.ask("QUOTA", "25 1048576 3 0")
	tmp, id := h.onGroup("dapur", "tmp"), filepath.Base(h.onGroup("dapur", ""))

	h.login(ProtocolChat, "ani", "rahasia1").ask("DROPGROUP dapur", "Grup dibubarkan")
	io.WriteString(one, "56789")
	one.next("[ERR] " + denied)
	one.refused("LIST", noFile)
	h.group("dapur", "kunci", "budi")
	io.WriteString(two, "56789")
	two.next("[ERR] " + noFile)
	two.ask("LIST", "0 baris")
	two.ask("QUOTA", "0 1048576 0 0")
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}

	h.operate("GROUPDROP dapur", "group dropped")
	h.operate("GROUPRESTORE "+id, "group restored")
	two.ask("LIST", "0 baris")
	two.ask("QUOTA", "5 1048576 1 0")
	two.ask("PART putus", "5")
	two.ask("REST 5", "5")
	two.ask("ALLO 5", "5")
	two.ask("PUT putus", "Silakan kirim")
	io.WriteString(two, "56789")
	two.next("[OK] Berkas tersimpan")
	if got := p.get("putus"); got != "0123456789" {
		t.Errorf("got %q", got)
	}
}
