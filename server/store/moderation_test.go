package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posko/server/account"
	"posko/server/hub"
)

func TestSanctions(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	ani, budi := addAccount(t, s, "Ani"), addAccount(t, s, "budi")
	commit(t, s,
		group(1, "dapur"), group(2, "kamar"),
		hub.RecordTopic{Group: 1, Topic: "sup"},
		hub.RecordSanction{Group: 1, Account: ani, Sanction: hub.Muted},
		hub.RecordSanction{Group: 1, Account: budi, Sanction: hub.Banned},
		hub.RecordSanction{Group: 1, Account: budi, Sanction: hub.Banned | hub.Muted},
		hub.RecordSanction{Group: 2, Account: ani, Sanction: hub.Banned},
		hub.RecordSanction{Group: 2, Account: ani, Sanction: 0},
		hub.RecordSanction{Group: 2, Account: budi, Sanction: hub.Muted},
	)
	s.Close()
	s = openStore(t, dir)
	person := func(id int64, name string) hub.Account { return hub.Account{ID: id, Name: name} }
	want := []hub.StoredGroup{
		{ID: 1, Name: "dapur", Created: t0, Topic: "sup", Sanctions: []hub.StoredSanction{
			{Account: person(ani, "Ani"), Sanction: hub.Muted},
			{Account: person(budi, "budi"), Sanction: hub.Banned | hub.Muted},
		}},
		{ID: 2, Name: "kamar", Created: t0, Sanctions: []hub.StoredSanction{
			{Account: person(budi, "budi"), Sanction: hub.Muted},
		}},
	}
	if diff := cmp.Diff(want, groups(t, s)); diff != "" {
		t.Error(diff)
	}
	commit(t, s, hub.RecordDeleteAccount{Account: budi, Time: t0}, hub.RecordTopic{Group: 1, Topic: ""})
	want[0].Topic, want[0].Sanctions, want[1].Sanctions = "", want[0].Sanctions[:1], nil
	if diff := cmp.Diff(want, groups(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestActs(t *testing.T) {
	s := newStore(t)
	ani, budi := addAccount(t, s, "Ani"), addAccount(t, s, "budi")
	commit(t, s,
		group(1, "dapur"), group(2, "kamar"),
		hub.RecordAct{Group: 1, Time: t0, By: ani, Action: hub.Ban, Target: budi},
		hub.RecordAct{Group: 2, Time: t0, By: ani, Action: hub.Kick, Target: budi},
		hub.RecordAct{Group: 1, Time: t0.Add(time.Second), Action: hub.SetPassword},
		hub.RecordAct{Group: 1, Time: t0, By: budi, Action: hub.SetTopic, Text: "sup"},
		hub.RecordDeleteAccount{Account: budi, Time: t0},
	)
	acts := func(limit int) []hub.Act {
		t.Helper()
		got, err := s.Acts(t.Context(), 1, limit)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if diff := cmp.Diff([]hub.Act{
		{Time: t0, By: "budi", Action: hub.SetTopic, Text: "sup"},
		{Time: t0.Add(time.Second), Action: hub.SetPassword},
		{Time: t0, By: "Ani", Action: hub.Ban, Target: "budi"},
	}, acts(9)); diff != "" {
		t.Error(diff)
	}
	if got := acts(1); len(got) != 1 || got[0].Text != "sup" {
		t.Error(got)
	}

	var many []hub.Record
	for i := range mostActs {
		many = append(many, hub.RecordAct{Group: 1, Time: t0, By: ani, Action: hub.SetTopic, Text: fmt.Sprint(i)})
	}
	commit(t, s, many...)
	if got := acts(2 * mostActs); len(got) != mostActs || got[mostActs-1].Text != "0" {
		t.Errorf("%d acts are kept, from %v on", len(got), got[len(got)-1])
	}
	if got, err := s.Acts(t.Context(), 2, 9); len(got) != 1 || err != nil {
		t.Error(got, err)
	}
}

func TestTrash(t *testing.T) {
	s := newStore(t)
	ani := addAccount(t, s, "ani")
	kept := func() []hub.StoredGroup {
		t.Helper()
		all := groups(t, s)
		if len(all) != 2 || len(all[0].Members) != 1 || len(all[0].Sanctions) != 1 || all[0].Last != 2*sweepRows {
			t.Fatalf("the groups are %+v", all)
		}
		return all
	}
	records := []hub.Record{
		group(1, "dapur"), group(2, "kamar"),
		hub.RecordJoin{Group: 1, Account: ani, Role: hub.Owner, Time: t0},
		hub.RecordSanction{Group: 1, Account: ani, Sanction: hub.Muted},
		hub.RecordAct{Group: 1, Time: t0, By: ani, Action: hub.Drop},
		hub.RecordPrivate{ID: 3, A: ani, B: ani},
	}
	for i := range int64(2 * sweepRows) {
		records = append(records, message(i+1, 1, i+1, ani, "halo"))
	}
	commit(t, s, append(records,
		message(2*sweepRows+1, 2, 1, ani, "hai"), message(2*sweepRows+2, 3, 1, ani, "hai"),
		hub.RecordDropGroup{Group: 1, Time: t0},
	)...)
	if err := s.Accounts().AddInvitation(t.Context(), account.Invitation{Uses: 1, Group: 2}, []byte("a")); err != nil {
		t.Fatal(err)
	}
	if got := kept()[0].Dropped; !got.Equal(t0) {
		t.Errorf("dropped at %v", got)
	}
	commit(t, s, hub.RecordRestoreGroup{Group: 1, Name: "dapur"})
	if got := kept()[0].Dropped; !got.IsZero() {
		t.Errorf("dropped at %v", got)
	}
	err := s.Commit(t.Context(), []hub.Record{hub.RecordDropGroup{Group: 1, Time: t0}, group(4, "DAPUR"), hub.RecordRestoreGroup{Group: 1, Name: "dapur"}})
	if taken, ok := err.(*hub.TakenError); !ok || taken.Group != 1 {
		t.Error(err)
	}

	commit(t, s, hub.RecordDropGroup{Group: 1, Time: t0}, hub.RecordForgetGroup{Group: 1},
		hub.RecordDropGroup{Group: 2, Time: t0})
	if err := s.SweepForgotten(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := list(t.Context(), s.read, scanInt, "SELECT conversation FROM messages ORDER BY id")
	if diff := cmp.Diff([]int64{2, 3}, left); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if all := groups(t, s); len(all) != 1 || all[0].ID != 2 {
		t.Errorf("the groups are %+v", all)
	}
	if got := positions(t, s, ani); len(got) != 0 {
		t.Errorf("the positions are %v", got)
	}
	commit(t, s, hub.RecordForgetGroup{Group: 2}) // with an invitation
	if err := s.SweepForgotten(t.Context()); err != nil {
		t.Fatal(err)
	}
	// No id is given twice.
	if message, conversation, err := s.LastIDs(t.Context()); message != 2*sweepRows+2 || conversation != 3 || err != nil {
		t.Errorf("LastIDs: %d, %d, %v", message, conversation, err)
	}
}
