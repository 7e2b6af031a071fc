package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"posko/server/account"
	"posko/server/hub"
)

// AddInvitation: see account.Store. It forgets those that have expired.
func (a Accounts) AddInvitation(ctx context.Context, add account.Invitation, hash []byte) error {
	err := a.s.write(ctx, a.s.durable, func(ctx context.Context) error {
		if err := a.s.exec(ctx, `DELETE FROM invitations WHERE expires <= ?`, add.Created.UnixMilli()); err != nil {
			return err
		}
		made, err := changed(ctx, a.s.durable, `INSERT INTO invitations (hash, uses, remaining, conversation, created, expires)
SELECT ?1, ?2, ?3, nullif(?4, 0), ?5, ?6
WHERE ?4 = 0 OR EXISTS (SELECT 1 FROM groups WHERE id = ?4 AND dropped IS NULL)`,
			hash, add.Uses, add.Left, add.Group, add.Created.UnixMilli(), add.Expires.UnixMilli())
		if err == nil && !made {
			err = account.ErrNoGroup
		}
		return err
	})
	return full(err, account.ErrFull)
}

// Invitations: see account.Store.
func (a Accounts) Invitations(ctx context.Context, now time.Time) ([]account.Invitation, error) {
	return list(ctx, a.s.read, func(r *sql.Rows) (i account.Invitation, err error) {
		var created, expires int64
		err = r.Scan(&i.ID, &i.Uses, &i.Left, &i.Group, &i.GroupName, &created, &expires)
		i.Created, i.Expires = fromMillis(created), fromMillis(expires)
		return i, err
	}, `SELECT invitations.id, uses, remaining, coalesce(conversation, 0), coalesce(name, ''), invitations.created, expires
FROM invitations LEFT JOIN groups ON groups.id = conversation WHERE expires > ? ORDER BY invitations.id`, now.UnixMilli())
}

// RemoveInvitation: see account.Store.
func (a Accounts) RemoveInvitation(ctx context.Context, id int64) error {
	err := a.s.write(ctx, a.s.durable, func(ctx context.Context) error {
		found, err := changed(ctx, a.s.durable, `DELETE FROM invitations WHERE id = ?`, id)
		if err == nil && !found {
			err = account.ErrInvitation
		}
		return err
	})
	return full(err, account.ErrFull)
}

// openInvitation is true of an invitation with the hash ?1 that is good at ?2.
const openInvitation = `hash = ?1 AND expires > ?2 AND remaining > 0 AND (conversation IS NULL
	OR EXISTS (SELECT 1 FROM groups WHERE groups.id = conversation AND dropped IS NULL))`

// InvitationOpen: see account.Store.
func (a Accounts) InvitationOpen(ctx context.Context, hash []byte, now time.Time) (bool, error) {
	n, err := one(ctx, a.s.read, scanInt, `SELECT count(*) FROM invitations WHERE `+openInvitation, hash, now.UnixMilli())
	return n > 0, err
}

// AddInvited: see account.Store. The membership is written along with the
// account, so that a crash before the hub hears of it loses nothing.
func (a Accounts) AddInvited(ctx context.Context, add account.Account, hash []byte) (added account.Account, group int64, err error) {
	err = a.s.write(ctx, a.s.durable, func(ctx context.Context) error {
		group, err = one(ctx, a.s.durable, scanInt, `UPDATE invitations SET remaining = remaining - 1
WHERE `+openInvitation+` RETURNING coalesce(conversation, 0)`, hash, add.Created.UnixMilli())
		if err != nil {
			return noRows(err, account.ErrInvitation)
		}
		if added, err = a.add(ctx, add); err != nil || group == 0 {
			return err
		}
		return errors.Join(
			a.s.exec(ctx, `INSERT INTO members (conversation, account, role, joined, since)
SELECT ?1, ?2, CASE WHEN EXISTS (SELECT 1 FROM members WHERE conversation = ?1) THEN ?3 ELSE ?4 END, ?5, `+lastNumber+`
FROM conversations WHERE id = ?1`,
				group, added.ID, int64(hub.Member), int64(hub.Owner), add.Created.UnixMilli()),
			a.s.exec(ctx, `INSERT INTO positions (account, conversation, number)
SELECT ?, id, `+lastNumber+` FROM conversations WHERE id = ?`, added.ID, group),
		)
	})
	if err != nil {
		return account.Account{}, 0, full(err, account.ErrFull)
	}
	return added, group, nil
}
