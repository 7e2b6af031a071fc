package store

import (
	"context"
	"fmt"

	"posko/server/account"
	"posko/server/hub"
)

// Commit: see hub.Store. A context that ends during the commit does not cut it
// short.
func (s *Store) Commit(ctx context.Context, records []hub.Record) error {
	err := s.write(ctx, s.durable, func(ctx context.Context) error {
		for _, r := range records {
			if err := s.apply(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if inDoubt(err) {
		return fmt.Errorf("%w: %w", hub.ErrInDoubt, err)
	}
	return full(err, hub.ErrFull)
}

// apply makes one change within the transaction of Commit.
func (s *Store) apply(ctx context.Context, record hub.Record) error {
	switch r := record.(type) {
	case hub.RecordMessage:
		return s.exec(ctx, `INSERT INTO messages (id, conversation, number, time, kind, sender, text)
VALUES (?, ?, ?, ?, ?, ?, ?)`, r.ID, r.Conversation, r.Number, r.Time.UnixMilli(), int64(r.Kind), r.From, r.Text)
	case hub.RecordPrivate:
		return s.exec(ctx, `INSERT INTO conversations (id, a, b) VALUES (?, ?, ?)`, r.ID, r.A, r.B)
	case hub.RecordGroup:
		return s.addGroup(ctx, r)
	case hub.RecordJoin:
		return s.join(ctx, r)
	case hub.RecordLeave:
		if err := s.exec(ctx, `DELETE FROM members WHERE conversation = ? AND account = ?`, r.Group, r.Account); err != nil {
			return err
		}
		return s.exec(ctx, `DELETE FROM positions WHERE account = ? AND conversation = ?`, r.Account, r.Group)
	case hub.RecordSanction:
		return s.sanction(ctx, r)
	case hub.RecordGroupPassword:
		return s.exec(ctx, `UPDATE groups SET password = ? WHERE id = ?`, r.Password, r.Group)
	case hub.RecordTopic:
		return s.exec(ctx, `UPDATE groups SET topic = ? WHERE id = ?`, r.Topic, r.Group)
	case hub.RecordAct:
		return s.act(ctx, r)
	case hub.RecordReadOnly:
		return s.exec(ctx, `UPDATE groups SET read_only = ? WHERE id = ?`, r.ReadOnly, r.Group)
	case hub.RecordHistory:
		return s.exec(ctx, `UPDATE groups SET history_joined = ? WHERE id = ?`, r.SinceJoined, r.Group)
	case hub.RecordDropGroup:
		if err := s.exec(ctx, `DELETE FROM names WHERE conversation = ?`, r.Group); err != nil {
			return err
		}
		return s.exec(ctx, `UPDATE groups SET dropped = ? WHERE id = ? AND dropped IS NULL`, r.Time.UnixMilli(), r.Group)
	case hub.RecordRestoreGroup:
		if err := s.exec(ctx, `UPDATE groups SET dropped = NULL WHERE id = ?`, r.Group); err != nil {
			return err
		}
		return s.name(ctx, r.Group, r.Name)
	case hub.RecordForgetGroup:
		return s.forgetGroup(ctx, r.Group)
	case hub.RecordDeleteAccount:
		for _, query := range []string{
			`DELETE FROM names WHERE account = ?`,
			`DELETE FROM members WHERE account = ?`,
			`DELETE FROM sanctions WHERE account = ?`,
			`DELETE FROM positions WHERE account = ?`,
			`DELETE FROM tokens WHERE account = ?`,
		} {
			if err := s.exec(ctx, query, r.Account); err != nil {
				return err
			}
		}
		return s.exec(ctx, `UPDATE accounts SET deleted = ?, password = NULL WHERE id = ? AND deleted IS NULL`,
			r.Time.UnixMilli(), r.Account)
	case hub.RecordToken:
		if err := s.exec(ctx, `DELETE FROM tokens WHERE account = ? AND token IN (?, ?)`, r.Account, r.Token, r.Forget); err != nil {
			return err
		}
		return s.exec(ctx, `INSERT INTO tokens (account, token, time) VALUES (?, ?, ?)`, r.Account, r.Token, r.Time.UnixMilli())
	default:
		return fmt.Errorf("store: a %T cannot be committed", record)
	}
}

func (s *Store) exec(ctx context.Context, query string, args ...any) error {
	_, err := s.durable.ExecContext(ctx, query, args...)
	return err
}

func (s *Store) addGroup(ctx context.Context, r hub.RecordGroup) error {
	if err := s.exec(ctx, `INSERT INTO conversations (id) VALUES (?)`, r.ID); err != nil {
		return err
	}
	if err := s.exec(ctx, `INSERT INTO groups (id, name, password, created) VALUES (?, ?, ?, ?)`,
		r.ID, r.Name, r.Password, r.Time.UnixMilli()); err != nil {
		return err
	}
	return s.name(ctx, r.ID, r.Name)
}

// name gives a group its name.
func (s *Store) name(ctx context.Context, group int64, name string) error {
	free, err := changed(ctx, s.durable, `INSERT INTO names (key, skeleton, conversation)
VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, account.Key(name), account.Skeleton(name), group)
	if err == nil && !free {
		err = &hub.TakenError{Group: group}
	}
	return err
}

func (s *Store) join(ctx context.Context, r hub.RecordJoin) error {
	member, err := changed(ctx, s.durable, `UPDATE members SET role = ? WHERE conversation = ? AND account = ?`,
		int64(r.Role), r.Group, r.Account)
	if err != nil || member {
		return err
	}
	if err := s.exec(ctx, `INSERT INTO members (conversation, account, role, joined, since) VALUES (?, ?, ?, ?, ?)`,
		r.Group, r.Account, int64(r.Role), r.Time.UnixMilli(), r.Position); err != nil {
		return err
	}
	return s.exec(ctx, `INSERT INTO positions (account, conversation, number) VALUES (?, ?, ?)`,
		r.Account, r.Group, r.Position)
}

// SavePositions: see hub.Store. The positions are on the disk with the next
// durable commit at the latest; a lost one only shows messages again.
func (s *Store) SavePositions(ctx context.Context, account int64, positions map[int64]int64) error {
	err := s.write(ctx, s.lazy, func(ctx context.Context) error {
		for conversation, number := range positions {
			if _, err := s.lazy.ExecContext(ctx, savePosition, account, conversation, number); err != nil {
				return err
			}
		}
		return nil
	})
	return full(err, hub.ErrFull)
}

const savePosition = `INSERT INTO positions (account, conversation, number)
SELECT ?1, ?2, ?3
WHERE EXISTS (SELECT 1 FROM members WHERE conversation = ?2 AND account = ?1)
   OR EXISTS (SELECT 1 FROM conversations JOIN accounts ON accounts.id = ?1
              WHERE conversations.id = ?2 AND ?1 IN (a, b) AND deleted IS NULL)
ON CONFLICT DO UPDATE SET number = excluded.number WHERE excluded.number > number`
