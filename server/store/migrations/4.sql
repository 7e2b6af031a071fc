-- Moderation of groups.

ALTER TABLE groups ADD COLUMN topic TEXT NOT NULL DEFAULT '';

-- What an account may not do in a group, whether it is a member or not: see
-- hub.Sanction. Who may do all has no row.
CREATE TABLE sanctions (
    conversation INTEGER NOT NULL REFERENCES groups,
    account      INTEGER NOT NULL REFERENCES accounts,
    sanction     INTEGER NOT NULL,
    PRIMARY KEY (conversation, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX sanctions_account ON sanctions (account);

-- What was done in a group, by an account or, where that is NULL, by an operator
-- of the server: see hub.Action.
CREATE TABLE acts (
    id           INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL REFERENCES groups,
    time         INTEGER NOT NULL,
    account      INTEGER REFERENCES accounts,
    action       INTEGER NOT NULL,
    target       INTEGER REFERENCES accounts,
    text         TEXT NOT NULL
) STRICT;
CREATE INDEX acts_conversation ON acts (conversation, id);
