package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBackup(t *testing.T) {
	h := newHouse(t, "")
	saved := filepath.Join(t.TempDir(), "saved")
	if r := h.run("", "backup", saved); r.status != 1 || !strings.Contains(r.err, "nothing to back up") {
		t.Errorf("without a state: %+v", r)
	}
	h.serve()
	h.user("ani")
	h.user("budi")
	chat := must(h.chat(h.address("chat"), "ani"))(t)
	defer chat.Close()
	must(chat.Do("CREATEGROUP dapur kunci"))(t)
	must(chat.Do("SENDGROUP dapur halo"))(t)

	h.must("", "backup", saved)
	if info, err := os.Stat(saved); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("backup: %v, %v", info, err)
	}
	stream := h.must("", "backup", "-")
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(saved), ".saved-*")); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
	if r := h.run("", "restore", saved); r.status != 1 || !strings.Contains(r.err, "in use by another posko process") {
		t.Errorf("under a daemon: %+v", r)
	}
	h.must("", "user", "del", "budi", "--yes")
	must(chat.Do("SENDGROUP dapur nanti"))(t)
	h.kill()

	if r := h.run(stream[:len(stream)/2], "restore", "-"); r.status != 1 || !strings.Contains(r.err, "not a whole backup") {
		t.Errorf("half a backup: %+v", r)
	}
	if got := h.must("", "user", "list"); strings.Contains(got, "budi") {
		t.Errorf("a refused restore has changed the state:\n%s", got)
	}
	for _, restore := range []func() string{
		func() string { return h.must("", "restore", saved) },
		func() string { return h.must(stream, "restore", "-") },
	} {
		if got := restore(); !strings.Contains(got, "files restored to "+h.dir) {
			t.Errorf("restore: %s", got)
		}
		h.serve()
		again := must(h.chat(h.address("chat"), "ani"))(t)
		if a := must(again.Do("CHECKPAST dapur"))(t); len(a.Rows) != 1 || !strings.HasSuffix(a.Rows[0], " ani halo") {
			t.Errorf("history: %q", a.Rows)
		}
		again.Close()
		if _, err := h.chat(h.address("chat"), "budi"); err != nil {
			t.Errorf("budi: %v", err)
		}
		h.kill()
	}
}
