package server

import (
	"os"
	"path/filepath"
	"testing"
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
