-- Tokens with which accounts have sent messages, each of them once.
CREATE TABLE tokens (
    account INTEGER NOT NULL REFERENCES accounts,
    token   TEXT NOT NULL,
    time    INTEGER NOT NULL,
    PRIMARY KEY (account, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_time ON tokens (time);
