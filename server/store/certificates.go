package store

import (
	"context"
	"database/sql"
	"time"

	"posko/server/account"
)

// CertificateAccount: see account.Store.
func (a Accounts) CertificateAccount(ctx context.Context, fingerprint string) (id int64, err error) {
	var revoked bool
	scan := func(r *sql.Rows) (id int64, err error) { return id, r.Scan(&id, &revoked) }
	id, err = one(ctx, a.s.read, scan, `SELECT account, revoked FROM certificates WHERE fingerprint = ?`, fingerprint)
	if err == nil && revoked {
		return 0, account.ErrRevoked
	}
	return id, noRows(err, account.ErrCertificate)
}

// Certificates: see account.Store.
func (a Accounts) Certificates(ctx context.Context, id int64) ([]account.Bound, error) {
	scan := func(r *sql.Rows) (b account.Bound, err error) {
		var added int64
		err = r.Scan(&b.Fingerprint, &b.Revoked, &added)
		b.Added = fromMillis(added)
		return b, err
	}
	return list(ctx, a.s.read, scan, `SELECT fingerprint, revoked, added
FROM certificates WHERE account = ? ORDER BY added, fingerprint`, id)
}

// SetCertificate: see account.Store.
func (a Accounts) SetCertificate(ctx context.Context, id int64, fingerprint string, revoked bool) (now account.Account, err error) {
	err = a.s.write(ctx, a.s.durable, func(ctx context.Context) error {
		now, err = one(ctx, a.s.durable, scanAccount, `UPDATE accounts SET epoch = epoch + ?2
WHERE id = ?1 AND deleted IS NULL RETURNING `+accountColumns, id, revoked)
		if err != nil {
			return err
		}
		free, err := changed(ctx, a.s.durable, `INSERT INTO certificates (fingerprint, account, revoked, added)
VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET account = ?2, revoked = ?3, added = ?4
WHERE account = ?2 OR revoked OR (SELECT deleted FROM accounts WHERE id = account) IS NOT NULL`,
			fingerprint, id, revoked, time.Now().UnixMilli())
		if err == nil && !free {
			err = account.ErrCertificateTaken
		}
		return err
	})
	if err != nil {
		return account.Account{}, full(noRows(err, account.ErrNoAccount), account.ErrFull)
	}
	return now, nil
}
