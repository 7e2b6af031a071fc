-- Client certificates, by their SHA-256 fingerprint as openssl writes it. One
-- that was taken away from its account is kept, so that it stays worthless even
-- where its subject names the account.
CREATE TABLE certificates (
    fingerprint TEXT PRIMARY KEY,
    account     INTEGER NOT NULL REFERENCES accounts,
    revoked     INTEGER NOT NULL CHECK (revoked IN (0, 1)),
    added       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX certificates_account ON certificates (account);
