package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"strings"
	"time"
)

// The greatest bounds of an invitation.
const (
	MaxUses       = 10_000
	MaxInvitation = 365 * 24 * time.Hour
)

// An Invitation lets people make accounts while sign-up is closed. Its code is
// kept by whom it was given to alone: the store has a hash.
type Invitation struct {
	ID        int64
	Uses      int // how many accounts it is good for in all
	Left      int // how many more
	Group     int64
	GroupName string // of the group that they join, "" and 0 for none
	Created   time.Time
	Expires   time.Time
}

// Invite makes an invitation for so many accounts, each of which joins the
// group unless that is 0, and returns its code. It returns ErrInvitationBounds
// unless there are 1 to MaxUses uses, within a positive time up to
// MaxInvitation; or ErrNoGroup.
func (d *Directory) Invite(ctx context.Context, uses int, life time.Duration, group int64) (code string, err error) {
	if uses < 1 || uses > MaxUses || life <= 0 || life > MaxInvitation {
		return "", ErrInvitationBounds
	}
	code = rand.Text()
	now := time.Now()
	return code, d.store.AddInvitation(ctx, Invitation{
		Uses: uses, Left: uses, Group: group, Created: now, Expires: now.Add(life),
	}, codeHash(code))
}

// codeHash is what is kept of a code. It has no salt and is cheap, since a code
// can't be guessed. Letter case doesn't matter.
func codeHash(code string) []byte {
	sum := sha256.Sum256([]byte(strings.ToUpper(code)))
	return sum[:]
}

// Invitations lists those that have not expired, the oldest first.
func (d *Directory) Invitations(ctx context.Context) ([]Invitation, error) {
	return d.store.Invitations(ctx, time.Now())
}

// Revoke ends an invitation, or returns ErrInvitation.
func (d *Directory) Revoke(ctx context.Context, id int64) error {
	return d.store.RemoveInvitation(ctx, id)
}

// Redeem makes an account for somebody who has the code of an invitation, and
// uses it once. group is the one that the account is a member of from now on;
// the caller tells the hub. It returns ErrName, ErrPasswordForm, ErrThrottled,
// ErrInvitation for a code that is wrong, used up, expired, revoked or of a
// dropped group, ErrNameTaken or ErrPasswordShort, looking for them in this
// order. A wrong code counts like a wrong password.
func (d *Directory) Redeem(ctx context.Context, name, password, code string, addr netip.Addr) (a Account, group int64, err error) {
	switch {
	case !ValidName(name):
		return Account{}, 0, ErrName
	case !ValidPassword(password):
		return Account{}, 0, ErrPasswordForm
	}
	hash := codeHash(code)
	end, err := d.throttle.begin(ctx, d.options.Load().Throttle, target{of: invitation}, addr)
	if err != nil {
		return Account{}, 0, err
	}
	switch open, err := d.store.InvitationOpen(ctx, hash, time.Now()); {
	case err != nil:
		end(withdrawn)
		return Account{}, 0, err
	case !open:
		end(failed)
		return Account{}, 0, ErrInvitation
	}
	end(withdrawn) // who has a right code guesses no other ones for it
	a, err = d.prepare(ctx, name, password)
	if err != nil {
		return Account{}, 0, err
	}
	return d.store.AddInvited(ctx, a, hash)
}
