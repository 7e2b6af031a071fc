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
