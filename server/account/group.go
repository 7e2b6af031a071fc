package account

import (
	"context"
	"net/netip"
)

// HashGroup returns the hash of a group's new password, or ErrPasswordForm. To
// keep it is the hub's part.
func (d *Directory) HashGroup(ctx context.Context, password string) (string, error) {
	if !ValidPassword(password) {
		return "", ErrPasswordForm
	}
	return d.hash(ctx, password)
}

// CheckGroup returns nil if the password is that of the group, or ErrNoGroup,
// ErrThrottled or ErrGroupPassword. Wrong ones are bounded for all groups
// together that the account tries from one address, and a right one leaves that
// count as it is: it may be that of a group of one's own.
func (d *Directory) CheckGroup(ctx context.Context, group int64, password string, who Account, addr netip.Addr) error {
	hash, err := d.store.GroupPassword(ctx, group)
	if err != nil {
		return err
	}
	at := target{account: Key(who.Name), of: groupPassword}
	return d.guess(ctx, hash, password, at, addr, withdrawn, ErrGroupPassword)
}
