package files

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Whatever a client sends after its login, the session ends with it, in an
// orderly way: no panic, no error that nobody has foreseen, nothing left over
// from uploads and nothing outside of the account's own tree.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{
		"LIST\nPWD\nHELP\nNOOP\nEXIT\n",
		"ALLO 5\nPUT a\n12345RETR a\nSIZE a\nMDTM a\nDEL a\n",
		"PUT a\r\nsatu\r\n..\r\n.\r\nGET a\r\n",
		"PUT a\nsatu\x00\n.\nPUT b/\n",
		"MKD d\nCD d\nMKD e\nCD ..\nRMD d/e\nRNFR d\nRNTO e\nLIST e\n",
		"ALLO 9223372036854775807\nPUT a\n12345",
		"ALLO x\nPUT a\n.\n",
		"CD ../../..\nRETR ../../posko.db\nPUT /../../x\n.\nRNFR /\nRNTO ../x\n",
		"PUT a\n.\nALLO 3\nPUT a/b\nabc",
		"SIZE " + strings.Repeat("x", 9000) + "\nPWD\n",
	} {
		f.Add([]byte(seed))
	}
	h := newHouse(f, rules{})
	n := 0
	f.Fuzz(func(t *testing.T, sent []byte) {
		h.t = t
		n++
		a := h.add("u"+strconv.Itoa(n), "rahasia1")
		g := h.login(a.Name, "rahasia1")
		outside, err := filepath.Glob(filepath.Join(h.trees, "../*"))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			g.Write(sent) // fails where the session ends before
			g.nc.(*net.TCPConn).CloseWrite()
		}()
		if _, err := io.Copy(io.Discard, g.nc); err != nil {
			t.Log(err) // a reset, where the session ended before all was sent
		}
		h.gone()
		if log := h.log.String(); strings.Contains(log, "level=ERROR") {
			t.Error(log)
		}
		h.log.reset()
		if got := h.on(a, "tmp"); len(got) > 0 {
			t.Errorf("left over: %q", got)
		}
		if got := h.on(a, ""); !slices.Equal(got, []string{"data", "tmp", "trash"}) {
			t.Errorf("beside the tree: %q", got)
		}
		if got, err := os.ReadDir(h.trees); err != nil || len(got) != 1 {
			t.Errorf("beside the account: %v, %v", got, err)
		}
		if got, err := filepath.Glob(filepath.Join(h.trees, "../*")); err != nil || !slices.Equal(got, outside) {
			t.Errorf("outside: %q, %v", got, err)
		}
		if err := h.Disk.Remove(a.ID); err != nil {
			t.Error(err)
		}
	})
}
