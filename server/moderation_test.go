package server

import (
	"fmt"
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
	show := func() (got []string) {
		t.Helper()
		shown, err := h.operator().Do("GROUPSHOW dapur")
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range shown.Rows {
			got = append(got, regexp.MustCompile(`\d{4}-\S+Z`).ReplaceAllString(row, "TIME"))
		}
		return got
	}
	got := show()
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

	// Whatever is done is kept, also what operators of the server do, and what
	// is so already is not.
	for _, act := range []string{
		"DEOP dapur budi", "DEOP dapur budi", "UNMUTE dapur budi", "UNBAN dapur citra", "KICK dapur budi", "GROUPPASS dapur baru",
		"READONLY dapur ON", "READONLY dapur OFF", "HISTORY dapur JOINED", "HISTORY dapur ALL", "TOPIC dapur -",
	} {
		if _, err := ani.Do(act); err != nil {
			t.Errorf("%s: %v", act, err)
		}
	}
	g, err := h.hub.Group("dapur")
	if err != nil {
		t.Fatal(err)
	}
	h.operate("GROUPPASSWD dapur lagi", "password changed")
	h.operate("GROUPDROP dapur", "group dropped")
	h.operate(fmt.Sprint("GROUPRESTORE ", g.ID), "group restored")
	if want := []string{
		"done\tTIME (poskod) restored the group",
		"done\tTIME (poskod) dropped the group",
		"done\tTIME (poskod) changed the password",
		"done\tTIME ani removed the topic",
		"done\tTIME ani let members see all of the history",
		"done\tTIME ani let members see the history since they joined",
		"done\tTIME ani let members change the folder",
		"done\tTIME ani let members only read in the folder",
		"done\tTIME ani changed the password",
		"done\tTIME ani put out budi",
		"done\tTIME ani let join again citra",
		"done\tTIME ani let talk again budi",
		"done\tTIME ani made a plain member of budi",
		"done\tTIME ani set the topic sup",
	}; !slices.Equal(show()[4:4+len(want)], want) {
		t.Errorf("got %q", show())
	}
}
