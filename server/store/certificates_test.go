package store

import (
	"testing"
	"time"

	"posko/server/account"
	"posko/server/hub"
)

func TestCertificates(t *testing.T) {
	s := newStore(t)
	a, ctx := s.Accounts(), t.Context()
	add := func(name string) account.Account {
		t.Helper()
		added, err := a.AddAccount(ctx, account.Account{Name: name, Password: "x", Created: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return added
	}
	set := func(id int64, print string, revoked bool, want error) account.Account {
		t.Helper()
		now, err := a.SetCertificate(ctx, id, print, revoked)
		if err != want {
			t.Errorf("%d, %s, %t: %v, want %v", id, print, revoked, err, want)
		}
		return now
	}
	is := func(print string, want int64, wantErr error) {
		t.Helper()
		if id, err := a.CertificateAccount(ctx, print); id != want || err != wantErr {
			t.Errorf("%s: %d, %v, want %d, %v", print, id, err, want, wantErr)
		}
	}
	ani, budi := add("ani"), add("budi")
	is("A", 0, account.ErrCertificate)
	if now := set(ani.ID, "A", false, nil); now.Epoch != ani.Epoch {
		t.Errorf("epoch %d, want %d", now.Epoch, ani.Epoch)
	}
	is("A", ani.ID, nil)
	set(ani.ID, "A", false, nil)
	set(budi.ID, "A", false, account.ErrCertificateTaken)
	set(budi.ID, "A", true, account.ErrCertificateTaken)
	set(99, "B", false, account.ErrNoAccount)
	is("B", 0, account.ErrCertificate)
	if now := set(ani.ID, "A", true, nil); now.Epoch != ani.Epoch+1 {
		t.Errorf("taken away: epoch %d, want %d", now.Epoch, ani.Epoch+1)
	}
	is("A", 0, account.ErrRevoked)
	set(budi.ID, "A", false, nil)
	is("A", budi.ID, nil)
	set(ani.ID, "C", true, nil)
	all, err := a.Certificates(ctx, ani.ID)
	if err != nil || len(all) != 1 || all[0].Fingerprint != "C" || !all[0].Revoked || all[0].Added.IsZero() {
		t.Errorf("%+v, %v", all, err)
	}
	// A deleted account's certificate is free.
	if err := s.Commit(ctx, []hub.Record{hub.RecordDeleteAccount{Account: budi.ID, Time: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	set(ani.ID, "A", false, nil)
	is("A", ani.ID, nil)
}
