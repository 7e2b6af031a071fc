package account

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// invite makes an invitation and fails the test if that fails.
func invite(t *testing.T, d *Directory, uses int, life time.Duration, group int64) string {
	t.Helper()
	code, err := d.Invite(t.Context(), uses, life, group)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestInvite(t *testing.T) {
	d, s := newDirectory(t, Options{})
	s.groups[7] = "hash"
	for _, bad := range []struct {
		uses int
		life time.Duration
	}{{0, time.Hour}, {-1, time.Hour}, {MaxUses + 1, time.Hour}, {1, 0}, {1, -time.Hour}, {1, MaxInvitation + 1}} {
		if _, err := d.Invite(t.Context(), bad.uses, bad.life, 0); !errors.Is(err, ErrInvitationBounds) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if _, err := d.Invite(t.Context(), 1, time.Hour, 8); !errors.Is(err, ErrNoGroup) {
		t.Error(err)
	}
	code, again := invite(t, d, 2, time.Hour, 7), invite(t, d, 2, time.Hour, 7)
	if code == again || len(code) < 26 || !ValidPassword(code) {
		t.Errorf("the codes are %q and %q", code, again)
	}
	for hash := range s.invited {
		if strings.Contains(hash, code) {
			t.Error("the store has the code itself")
		}
	}
	all, err := d.Invitations(t.Context())
	if len(all) != 2 || all[0].Left != 2 || err != nil {
		t.Error(all, err)
	}
	if err := errors.Join(d.Revoke(t.Context(), 1), d.Revoke(t.Context(), 2)); err != nil {
		t.Error(err)
	}
	if err := d.Revoke(t.Context(), 1); !errors.Is(err, ErrInvitation) {
		t.Error(err)
	}
}

func TestRedeem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDirectory(t, Options{MinPassword: 8})
		s.groups[7] = "hash"
		add(t, d, "ani", "rahasia1")
		code := invite(t, d, 2, time.Hour, 7)
		redeem := func(name, password, code string, want error) {
			t.Helper()
			a, group, err := d.Redeem(t.Context(), name, password, code, here)
			if !errors.Is(err, want) {
				t.Errorf("%s %s %s: %v, not %v", name, password, code, err, want)
			}
			if err == nil && (a.Name != name || group != 7) {
				t.Errorf("%s is %+v in group %d", name, a, group)
			}
		}
		redeem("bu-di", "rahasia1", code, ErrName)
		redeem("budi", "rahasia!", code, ErrPasswordForm)
		redeem("ani", "short", "WRONG", ErrInvitation)
		redeem("ani", "short", code, ErrNameTaken)
		redeem("budi", "short", code, ErrPasswordShort)
		redeem("budi", "rahasia1", strings.ToLower(code), nil)
		redeem("citra", "rahasia1", code, nil)
		redeem("dodi", "rahasia1", code, ErrInvitation)
		code = invite(t, d, 1, time.Hour, 7)
		time.Sleep(time.Hour)
		redeem("dodi", "rahasia1", code, ErrInvitation)
	})
}

// Wrong codes are bounded by address, apart from wrong passwords.
func TestRedeemThrottled(t *testing.T) {
	d, _ := newDirectory(t, Options{Throttle: limits})
	a := add(t, d, "ani", "rahasia1")
	code := invite(t, d, 1, time.Hour, 0)
	redeem := func(code string, from netip.Addr, want error) {
		t.Helper()
		if _, _, err := d.Redeem(t.Context(), "budi", "rahasia1", code, from); !errors.Is(err, want) {
			t.Errorf("got %v, not %v", err, want)
		}
	}
	for range limits.Pair {
		redeem("WRONG", here, ErrInvitation)
	}
	redeem(code, here, ErrThrottled)
	if _, err := d.Login(t.Context(), a.Name, "rahasia1", here); err != nil {
		t.Errorf("a login after wrong codes: %v", err)
	}
	redeem(code, there, nil)
}
