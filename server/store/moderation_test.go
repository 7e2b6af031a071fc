package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
	account := func(id int64, name string) hub.Account { return hub.Account{ID: id, Name: name} }
	want := []hub.StoredGroup{
		{ID: 1, Name: "dapur", Created: t0, Topic: "sup", Sanctions: []hub.StoredSanction{
			{Account: account(ani, "Ani"), Sanction: hub.Muted},
			{Account: account(budi, "budi"), Sanction: hub.Banned | hub.Muted},
		}},
		{ID: 2, Name: "kamar", Created: t0, Sanctions: []hub.StoredSanction{
			{Account: account(budi, "budi"), Sanction: hub.Muted},
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
