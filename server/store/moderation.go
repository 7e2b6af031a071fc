package store

import (
	"context"
	"database/sql"

	"posko/server/hub"
)

// mostActs is how many acts are kept of a group.
const mostActs = 1000

func (s *Store) sanction(ctx context.Context, r hub.RecordSanction) error {
	if r.Sanction == 0 {
		return s.exec(ctx, `DELETE FROM sanctions WHERE conversation = ? AND account = ?`, r.Group, r.Account)
	}
	return s.exec(ctx, `INSERT INTO sanctions (conversation, account, sanction) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET sanction = excluded.sanction`, r.Group, r.Account, int64(r.Sanction))
}

// act keeps an act, and forgets the oldest ones of the group.
func (s *Store) act(ctx context.Context, r hub.RecordAct) error {
	if err := s.exec(ctx, `INSERT INTO acts (conversation, time, account, action, target, text)
VALUES (?, ?, nullif(?, 0), ?, nullif(?, 0), ?)`,
		r.Group, r.Time.UnixMilli(), r.By, int64(r.Action), r.Target, r.Text); err != nil {
		return err
	}
	return s.exec(ctx, `DELETE FROM acts WHERE conversation = ?1 AND id <=
	(SELECT id FROM acts WHERE conversation = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`, r.Group, mostActs)
}

// Acts: see hub.Store.
func (s *Store) Acts(ctx context.Context, group int64, limit int) ([]hub.Act, error) {
	return list(ctx, s.read, func(r *sql.Rows) (a hub.Act, err error) {
		var ms int64
		err = r.Scan(&ms, &a.By, &a.Action, &a.Target, &a.Text)
		a.Time = fromMillis(ms)
		return a, err
	}, `SELECT time, coalesce(actor.name, ''), action, coalesce(target.name, ''), text
FROM acts LEFT JOIN accounts AS actor ON actor.id = acts.account LEFT JOIN accounts AS target ON target.id = acts.target
WHERE conversation = ? ORDER BY acts.id DESC LIMIT ?`, group, max(limit, 0))
}

// forgetGroup deletes what there is of a dropped group but its conversation,
// which tells what ids and numbers were given, and its messages.
func (s *Store) forgetGroup(ctx context.Context, group int64) error {
	for _, query := range []string{
		`DELETE FROM positions WHERE conversation = ?1 AND account IN (SELECT account FROM members WHERE conversation = ?1)`,
		`DELETE FROM members WHERE conversation = ?`,
		`DELETE FROM sanctions WHERE conversation = ?`,
		`DELETE FROM acts WHERE conversation = ?`,
		`DELETE FROM invitations WHERE conversation = ?`,
		`DELETE FROM groups WHERE id = ?`,
	} {
		if err := s.exec(ctx, query, group); err != nil {
			return err
		}
	}
	return nil
}

// SweepForgotten: see hub.Store. A conversation that is neither two accounts' nor a
// group's is that of a forgotten group.
func (s *Store) SweepForgotten(ctx context.Context) (err error) {
	for more := true; more && err == nil; {
		more, err = s.sweep(ctx, `DELETE FROM messages WHERE id IN (
	SELECT m.id FROM conversations AS c CROSS JOIN messages AS m ON m.conversation = c.id
	WHERE a IS NULL AND NOT EXISTS (SELECT 1 FROM groups WHERE groups.id = c.id) LIMIT ?)`)
	}
	return err
}
