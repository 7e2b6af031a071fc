-- Invitations. What is kept of a code is its SHA-256.
CREATE TABLE invitations (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    hash         BLOB NOT NULL UNIQUE,
    uses         INTEGER NOT NULL,
    remaining    INTEGER NOT NULL CHECK (remaining BETWEEN 0 AND uses),
    conversation INTEGER REFERENCES groups,
    created      INTEGER NOT NULL,
    expires      INTEGER NOT NULL
) STRICT;
