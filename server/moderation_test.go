package server

import (
	"regexp"
	"slices"
	"testing"
)

// TestGroupShow: the operator of the server sees how a group is run.
func TestGroupShow(t *testing.T) {
	h := newHouse(t, testConfig())
	for _, name := range []string{"ani", "budi", "citra"} {
		h.user(name, "rahasia1")
	}
	h.group("dapur", "kunci", "ani", "budi")
	ani := h.login(ProtocolChat, "ani", "rahasia1")
	ani.ask("OP dapur budi", "Anggota menjadi operator")
	ani.ask("MUTE dapur budi", "Anggota dibisukan")
	ani.ask("BAN dapur citra", "Akun diblokir")
	ani.ask("TOPIC dapur sup", "Topik diganti")
	var got []string
	shown, err := h.operator().Do("GROUPSHOW dapur")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range shown.Rows {
		got = append(got, regexp.MustCompile(`\d{4}-\S+Z`).ReplaceAllString(row, "TIME"))
	}
	if want := []string{
		"name\tdapur", "made\tTIME", "messages\t0", "topic\tsup",
		"owner\tani (online)", "operator\tbudi (offline)", "muted\tbudi", "banned\tcitra",
		"done\tTIME ani set the topic sup",
		"done\tTIME ani banned citra",
		"done\tTIME ani muted budi",
		"done\tTIME ani made an operator of budi",
	}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
