package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"posko/server/account"
)

// Accounts is the account.Store over a Store. It is a type of its own since
// hub and account both ask for an AccountByName, each with its own Account.
type Accounts struct{ s *Store }

// Accounts returns the accounts in s.
func (s *Store) Accounts() Accounts { return Accounts{s} }

const accountColumns = `accounts.id, accounts.name, password, admin, disabled, epoch, created`

func scanAccount(r *sql.Rows) (a account.Account, err error) {
	var created int64
	err = r.Scan(&a.ID, &a.Name, &a.Password, &a.Admin, &a.Disabled, &a.Epoch, &created)
	a.Created = fromMillis(created)
	return a, err
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// noRows returns err, or instead if err says that there was no such row.
func noRows(err, instead error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return instead
	}
	return err
}

// AccountByName: see account.Store.
func (a Accounts) AccountByName(ctx context.Context, key string) (account.Account, error) {
	found, err := one(ctx, a.s.read, scanAccount, `SELECT `+accountColumns+`
FROM names JOIN accounts ON accounts.id = names.account WHERE key = ?`, key)
	return found, noRows(err, account.ErrNoAccount)
}

// AccountByID: see account.Store.
func (a Accounts) AccountByID(ctx context.Context, id int64) (account.Account, error) {
	found, err := one(ctx, a.s.read, scanAccount, `SELECT `+accountColumns+`
FROM accounts WHERE id = ? AND deleted IS NULL`, id)
	return found, noRows(err, account.ErrNoAccount)
}

// Accounts: see account.Store.
func (a Accounts) Accounts(ctx context.Context) ([]account.Account, error) {
	return list(ctx, a.s.read, scanAccount, `SELECT `+accountColumns+`
FROM names JOIN accounts ON accounts.id = names.account ORDER BY key`)
}

// NameTaken: see account.Store.
func (a Accounts) NameTaken(ctx context.Context, skeleton string) (bool, error) {
	n, err := one(ctx, a.s.read, scanInt, `SELECT count(*) FROM names WHERE skeleton = ?`, skeleton)
	return n > 0, err
}

// AddAccount: see account.Store.
func (a Accounts) AddAccount(ctx context.Context, add account.Account) (added account.Account, err error) {
	err = a.s.write(ctx, a.s.durable, func(ctx context.Context) error {
		added, err = a.add(ctx, add)
		return err
	})
	if err != nil {
		return account.Account{}, full(err, account.ErrFull)
	}
	return added, nil
}

// add is AddAccount within a transaction.
func (a Accounts) add(ctx context.Context, add account.Account) (account.Account, error) {
	added, err := one(ctx, a.s.durable, scanAccount, `INSERT INTO accounts (name, password, admin, disabled, created)
VALUES (?, ?, ?, ?, ?) RETURNING `+accountColumns,
		add.Name, add.Password, add.Admin, add.Disabled, add.Created.UnixMilli())
	if err != nil {
		return account.Account{}, err
	}
	free, err := changed(ctx, a.s.durable, `INSERT INTO names (key, skeleton, account)
VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, account.Key(add.Name), account.Skeleton(add.Name), added.ID)
	if err == nil && !free {
		err = account.ErrNameTaken
	}
	return added, err
}

// SetPassword: see account.Store.
func (a Accounts) SetPassword(ctx context.Context, id int64, hash string) (account.Account, error) {
	return a.set(ctx, `password = ?2, epoch = epoch + 1`, id, hash)
}

// SetDisabled: see account.Store.
func (a Accounts) SetDisabled(ctx context.Context, id int64, disabled bool) (account.Account, error) {
	return a.set(ctx, `disabled = ?2, epoch = epoch + (disabled <> ?2)`, id, disabled)
}

// SetAdmin: see account.Store.
func (a Accounts) SetAdmin(ctx context.Context, id int64, admin bool) (account.Account, error) {
	return a.set(ctx, `admin = ?2`, id, admin)
}

// set changes columns, a constant in which ?2 is value, of the account id.
func (a Accounts) set(ctx context.Context, columns string, id int64, value any) (now account.Account, err error) {
	err = a.s.write(ctx, a.s.durable, func(ctx context.Context) error {
		now, err = one(ctx, a.s.durable, scanAccount, `UPDATE accounts SET `+columns+`
WHERE id = ?1 AND deleted IS NULL RETURNING `+accountColumns, id, value)
		return err
	})
	if err != nil {
		return account.Account{}, full(noRows(err, account.ErrNoAccount), account.ErrFull)
	}
	return now, nil
}

// GroupPassword: see account.Store.
func (a Accounts) GroupPassword(ctx context.Context, group int64) (string, error) {
	scan := func(r *sql.Rows) (hash string, err error) { return hash, r.Scan(&hash) }
	hash, err := one(ctx, a.s.read, scan, `SELECT password FROM groups WHERE id = ? AND dropped IS NULL`, group)
	return hash, noRows(err, account.ErrNoGroup)
}
