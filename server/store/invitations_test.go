package store

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posko/server/account"
	"posko/server/hub"
)

// invited tries to make an account at t0 with the hash of a code.
func invited(t *testing.T, s *Store, name, hash string) (account.Account, int64, error) {
	t.Helper()
	return s.Accounts().AddInvited(t.Context(), account.Account{Name: name, Password: "hash", Created: t0}, []byte(hash))
}

func TestInvitations(t *testing.T) {
	ctx, s := t.Context(), newStore(t)
	accounts := s.Accounts()
	ani := addAccount(t, s, "ani")
	commit(t, s, group(1, "dapur"), hub.RecordJoin{Group: 1, Account: ani, Role: hub.Owner, Time: t0},
		message(1, 1, 1, ani, "halo"), group(2, "kamar"))
	invite := func(hash string, group int64, life time.Duration) error {
		return accounts.AddInvitation(ctx, account.Invitation{
			Uses: 2, Left: 2, Group: group, Created: t0, Expires: t0.Add(life),
		}, []byte(hash))
	}
	if err := errors.Join(invite("a", 1, time.Hour), invite("b", 2, time.Hour), invite("c", 0, time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := invite("d", 3, time.Hour); !errors.Is(err, account.ErrNoGroup) {
		t.Error(err)
	}

	budi, joined, err := invited(t, s, "budi", "a")
	if joined != 1 || err != nil {
		t.Fatal(joined, err)
	}
	if got := groups(t, s)[0].Members; len(got) != 2 || got[1].Account.ID != budi.ID || got[1].Role != hub.Member || got[1].Since != 1 {
		t.Errorf("the members are %v", got)
	}
	if got := positions(t, s, budi.ID); got[1] != 1 {
		t.Errorf("the positions are %v", got)
	}
	citra, _, err := invited(t, s, "citra", "b")
	if err != nil {
		t.Fatal(err)
	}
	if got := groups(t, s)[1].Members; len(got) != 1 || got[0].Account.ID != citra.ID || got[0].Role != hub.Owner {
		t.Errorf("the first member of an empty group is %v", got)
	}

	// A name that is taken uses nothing up, a group that was dropped is no use.
	if _, _, err := invited(t, s, "BUDI", "a"); !errors.Is(err, account.ErrNameTaken) {
		t.Error(err)
	}
	commit(t, s, hub.RecordDropGroup{Group: 2, Time: t0})
	if _, _, err := invited(t, s, "dodi", "b"); !errors.Is(err, account.ErrInvitation) {
		t.Error(err)
	}
	for hash, want := range map[string]bool{"a": true, "b": false, "c": true, "d": false} {
		if open, err := accounts.InvitationOpen(ctx, []byte(hash), t0); open != want || err != nil {
			t.Errorf("%s: %v, %v", hash, open, err)
		}
	}
	if open, err := accounts.InvitationOpen(ctx, []byte("c"), t0.Add(time.Second)); open || err != nil {
		t.Error("an expired one is open", err)
	}
	all, err := accounts.Invitations(ctx, t0.Add(time.Second))
	if diff := cmp.Diff([]account.Invitation{
		{ID: 1, Uses: 2, Left: 1, Group: 1, GroupName: "dapur", Created: t0, Expires: t0.Add(time.Hour)},
		{ID: 2, Uses: 2, Left: 1, Group: 2, GroupName: "kamar", Created: t0, Expires: t0.Add(time.Hour)},
	}, all); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if err := accounts.RemoveInvitation(ctx, 1); err != nil {
		t.Error(err)
	}
	if err := accounts.RemoveInvitation(ctx, 1); !errors.Is(err, account.ErrInvitation) {
		t.Error(err)
	}
}

// TestInvitationRace: what is good for N accounts makes N of them.
func TestInvitationRace(t *testing.T) {
	const uses, people = 5, 40
	s := newStore(t)
	if err := s.Accounts().AddInvitation(t.Context(), account.Invitation{
		Uses: uses, Left: uses, Created: t0, Expires: t0.Add(time.Hour),
	}, []byte("a")); err != nil {
		t.Fatal(err)
	}
	var made atomic.Int64
	var all sync.WaitGroup
	for i := range people {
		all.Go(func() {
			_, _, err := invited(t, s, fmt.Sprint("u", i), "a")
			if err == nil {
				made.Add(1)
			} else if !errors.Is(err, account.ErrInvitation) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	there, err := s.Accounts().Accounts(t.Context())
	if made.Load() != uses || len(there) != uses || err != nil {
		t.Errorf("%d were made, %d are there, %v", made.Load(), len(there), err)
	}
}
