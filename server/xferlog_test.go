package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A reload opens the file of transfers again, where logrotate has moved it away;
// one that can't be opened is refused, and the file in use stays.
func TestXferlogReload(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Log.Xferlog = filepath.Join(t.TempDir(), "xferlog")
	h := newHouse(t, cfg)
	if err := h.OpenXferlog(); err != nil {
		t.Fatal(err)
	}
	h.user("ani", "rahasia1")
	p := h.login(ProtocolFiles, "ani", "rahasia1")
	p.put("a", "isi")
	if err := os.Rename(cfg.Log.Xferlog, cfg.Log.Xferlog+".1"); err != nil {
		t.Fatal(err)
	}
	p.put("b", "isi")
	h.change(func(*Config) {})
	p.put("c", "isi")
	bad := cfg
	bad.Log.Xferlog = t.TempDir()
	if _, err := h.Reload(bad); err == nil || !strings.Contains(err.Error(), "log.xferlog") {
		t.Errorf("a directory for a file: %v", err)
	}
	p.put("d", "isi")
	h.change(func(c *Config) { c.Log.Xferlog = "" })
	p.put("e", "isi")
	p.ask("NOOP", "Siap")
	for path, want := range map[string]string{cfg.Log.Xferlog + ".1": "/a /b", cfg.Log.Xferlog: "/c /d"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for l := range strings.Lines(string(text)) {
			names = append(names, strings.Fields(l)[8])
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s has %s, want %s", path, got, want)
		}
	}
}
