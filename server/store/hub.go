package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"posko/server/hub"
)

// lastNumber is the greatest number ever given in a row of conversations.
const lastNumber = `max(swept_number, coalesce(
	(SELECT max(number) FROM messages WHERE conversation = conversations.id), 0))`

// sweptNumber is the greatest number below which all messages are deleted.
const sweptNumber = `coalesce(
	(SELECT min(number) FROM messages WHERE conversation = conversations.id) - 1, swept_number)`

// Groups: see hub.Store. Members are in the order in which they joined, sanctions
// in that of the accounts.
func (s *Store) Groups(ctx context.Context) ([]hub.StoredGroup, error) {
	// All queries must see the same moment.
	tx, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	defer tx.Rollback()

	groups, err := list(ctx, tx, func(r *sql.Rows) (g hub.StoredGroup, err error) {
		var created int64
		var dropped sql.NullInt64
		err = r.Scan(&g.ID, &g.Name, &created, &dropped, &g.Topic, &g.ReadOnly, &g.SinceJoined, &g.Last, &g.Swept)
		if dropped.Valid {
			g.Dropped = fromMillis(dropped.Int64)
		}
		g.Created = fromMillis(created)
		return g, err
	}, `SELECT groups.id, name, created, dropped, topic, read_only, history_joined, `+lastNumber+`, `+sweptNumber+`
FROM groups JOIN conversations ON conversations.id = groups.id ORDER BY groups.id`)
	if err != nil {
		return nil, err
	}

	type member struct {
		group int64
		hub.StoredMember
	}
	members, err := list(ctx, tx, func(r *sql.Rows) (m member, err error) {
		var joined int64
		err = r.Scan(&m.group, &m.Account.ID, &m.Account.Name, &m.Account.Admin, &m.Role, &joined, &m.Since)
		m.Joined = fromMillis(joined)
		return m, err
	}, `SELECT conversation, accounts.id, accounts.name, admin, role, joined, since
FROM groups JOIN members ON conversation = groups.id JOIN accounts ON accounts.id = account
ORDER BY conversation, joined, account`)
	if err != nil {
		return nil, err
	}

	type sanction struct {
		group int64
		hub.StoredSanction
	}
	sanctions, err := list(ctx, tx, func(r *sql.Rows) (not sanction, err error) {
		return not, r.Scan(&not.group, &not.Account.ID, &not.Account.Name, &not.Account.Admin, &not.Sanction)
	}, `SELECT conversation, accounts.id, accounts.name, admin, sanction
FROM groups JOIN sanctions ON conversation = groups.id JOIN accounts ON accounts.id = account
ORDER BY conversation, account`)
	if err != nil {
		return nil, err
	}

	for i := range groups {
		g := &groups[i]
		for len(sanctions) > 0 && sanctions[0].group == g.ID {
			g.Sanctions = append(g.Sanctions, sanctions[0].StoredSanction)
			sanctions = sanctions[1:]
		}
		for len(members) > 0 && members[0].group == g.ID {
			g.Members = append(g.Members, members[0].StoredMember)
			members = members[1:]
		}
	}
	return groups, nil
}

// LastIDs: see hub.Store.
func (s *Store) LastIDs(ctx context.Context) (message, conversation int64, err error) {
	last, err := one(ctx, s.read, func(r *sql.Rows) (last [2]int64, err error) {
		return last, r.Scan(&last[0], &last[1])
	}, `SELECT max(coalesce(max(swept_id), 0), coalesce((SELECT max(id) FROM messages), 0)), coalesce(max(id), 0)
FROM conversations`)
	return last[0], last[1], err
}

// Privates: see hub.Store.
func (s *Store) Privates(ctx context.Context) ([]hub.StoredPrivate, error) {
	return list(ctx, s.read, func(r *sql.Rows) (p hub.StoredPrivate, err error) {
		return p, r.Scan(&p.ID, &p.A, &p.B, &p.Last, &p.Swept)
	}, `SELECT id, a, b, `+lastNumber+`, `+sweptNumber+` FROM conversations WHERE a IS NOT NULL ORDER BY id`)
}

// Tokens: see hub.Store.
func (s *Store) Tokens(ctx context.Context, after time.Time) ([]hub.StoredToken, error) {
	return list(ctx, s.read, func(r *sql.Rows) (t hub.StoredToken, err error) {
		var used int64
		err = r.Scan(&t.Account, &t.Token, &used)
		t.Time = fromMillis(used)
		return t, err
	}, `SELECT account, token, time FROM tokens WHERE time > ? ORDER BY time`, after.UnixMilli())
}

// ForgetTokens: see hub.Store.
func (s *Store) ForgetTokens(ctx context.Context, after time.Time) (err error) {
	for more := true; more && err == nil; {
		more, err = s.sweep(ctx, `DELETE FROM tokens WHERE (account, token) IN (
	SELECT account, token FROM tokens WHERE time <= ? LIMIT ?)`, after.UnixMilli())
	}
	return err
}

// AccountByName: see hub.Store.
func (s *Store) AccountByName(ctx context.Context, key string) (hub.Account, error) {
	a, err := one(ctx, s.read, func(r *sql.Rows) (a hub.Account, err error) {
		return a, r.Scan(&a.ID, &a.Name, &a.Admin)
	}, `SELECT id, name, admin FROM names JOIN accounts ON accounts.id = names.account WHERE key = ?`, key)
	return a, noRows(err, hub.ErrNoAccount)
}

// Positions: see hub.Store.
func (s *Store) Positions(ctx context.Context, account int64) (map[int64]int64, error) {
	pairs, err := list(ctx, s.read, func(r *sql.Rows) (pair [2]int64, err error) {
		return pair, r.Scan(&pair[0], &pair[1])
	}, `SELECT conversation, number FROM positions WHERE account = ?`, account)
	if err != nil {
		return nil, err
	}
	positions := make(map[int64]int64, len(pairs))
	for _, pair := range pairs {
		positions[pair[0]] = pair[1]
	}
	return positions, nil
}
