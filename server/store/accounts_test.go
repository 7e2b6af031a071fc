package store

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posko/server/account"
	"posko/server/hub"
)

func TestAddAccount(t *testing.T) {
	ctx, s := t.Context(), newStore(t)
	accounts := s.Accounts()
	add := account.Account{ID: 77, Name: "Budi01", Password: "hash", Admin: true, Created: t0}
	got, err := accounts.AddAccount(ctx, add)
	if err != nil {
		t.Fatal(err)
	}
	want := add
	want.ID, want.Epoch = got.ID, got.Epoch // the store's choice
	if diff := cmp.Diff(want, got); diff != "" || got.ID <= 0 || got.ID == 77 {
		t.Errorf("AddAccount returned %+v", got)
	}
	for name, find := range map[string]func() (account.Account, error){
		"AccountByName": func() (account.Account, error) { return accounts.AccountByName(ctx, "budi01") },
		"AccountByID":   func() (account.Account, error) { return accounts.AccountByID(ctx, got.ID) },
	} {
		if found, err := find(); err != nil || found != got {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
	if _, err := accounts.AccountByName(ctx, "Budi01"); !errors.Is(err, account.ErrNoAccount) {
		t.Errorf("a name that is no key: %v", err)
	}
	if _, err := accounts.AccountByID(ctx, got.ID+1); !errors.Is(err, account.ErrNoAccount) {
		t.Errorf("an unknown id: %v", err)
	}

	commit(t, s, group(1, "Dapur"))
	for _, name := range []string{"budi01", "BUDI01", "Budio1", "budi0i", "budlol", "dapur", "DAPUR"} {
		if _, err := accounts.AddAccount(ctx, account.Account{Name: name}); !errors.Is(err, account.ErrNameTaken) {
			t.Errorf("%s beside Budi01 and Dapur: %v", name, err)
		}
	}
	addAccount(t, s, "ani")
	addAccount(t, s, "Citra")
	all, err := accounts.Accounts(ctx)
	var names []string
	for _, a := range all {
		names = append(names, a.Name)
	}
	if diff := cmp.Diff([]string{"ani", "Budi01", "Citra"}, names); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestChangeAccount(t *testing.T) {
	ctx, s := t.Context(), newStore(t)
	accounts := s.Accounts()
	other := addAccount(t, s, "budi")
	want, err := accounts.AccountByID(ctx, addAccount(t, s, "ani"))
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, got account.Account, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%s returned %+v, %v, want %+v", what, got, err, want)
		}
		if kept, err := accounts.AccountByID(ctx, want.ID); err != nil || kept != want {
			t.Errorf("%s kept %+v, %v, want %+v", what, kept, err, want)
		}
	}
	got, err := accounts.SetPassword(ctx, want.ID, "new hash")
	want.Password, want.Epoch = "new hash", want.Epoch+1
	check("SetPassword", got, err)

	got, err = accounts.SetDisabled(ctx, want.ID, true)
	want.Disabled, want.Epoch = true, want.Epoch+1
	check("SetDisabled", got, err)
	got, err = accounts.SetDisabled(ctx, want.ID, true)
	check("SetDisabled again", got, err)
	got, err = accounts.SetDisabled(ctx, want.ID, false)
	want.Disabled, want.Epoch = false, want.Epoch+1
	check("SetDisabled back", got, err)

	got, err = accounts.SetAdmin(ctx, want.ID, true)
	want.Admin = true
	check("SetAdmin", got, err)

	if a, err := accounts.AccountByID(ctx, other); err != nil || a.Password != "hash of budi" || a.Epoch != 1 || a.Admin {
		t.Errorf("another account became %+v, %v", a, err)
	}
	commit(t, s, hub.RecordDeleteAccount{Account: other, Time: t0})
	for _, id := range []int64{other, 99} {
		_, err1 := accounts.SetPassword(ctx, id, "hash")
		_, err2 := accounts.SetDisabled(ctx, id, true)
		_, err3 := accounts.SetAdmin(ctx, id, true)
		for _, err := range []error{err1, err2, err3} {
			if !errors.Is(err, account.ErrNoAccount) {
				t.Errorf("account %d: %v", id, err)
			}
		}
	}
}

func TestGroupPassword(t *testing.T) {
	ctx, s := t.Context(), newStore(t)
	accounts := s.Accounts()
	commit(t, s, group(1, "dapur"), group(2, "kamar"), hub.RecordDropGroup{Group: 2, Time: t0},
		hub.RecordGroupPassword{Group: 1, Password: "new hash"})
	if hash, err := accounts.GroupPassword(ctx, 1); hash != "new hash" || err != nil {
		t.Error(hash, err)
	}
	for _, id := range []int64{2, 3} {
		if _, err := accounts.GroupPassword(ctx, id); !errors.Is(err, account.ErrNoGroup) {
			t.Errorf("group %d: %v", id, err)
		}
	}
}

func TestNameTaken(t *testing.T) {
	s, err := Open(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ani, err := s.Accounts().AddAccount(t.Context(), account.Account{Name: "Ani0", Password: "hash"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), []hub.Record{hub.RecordGroup{ID: 1, Name: "Dapur"}}); err != nil {
		t.Fatal(err)
	}
	want := func(name string, want bool) {
		t.Helper()
		if got, err := s.Accounts().NameTaken(t.Context(), account.Skeleton(name)); got != want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	want("an10", true)
	want("dapur", true)
	want("budi", false)
	if err := s.Commit(t.Context(), []hub.Record{hub.RecordDeleteAccount{Account: ani.ID}}); err != nil {
		t.Fatal(err)
	}
	want("ani0", false)
}
