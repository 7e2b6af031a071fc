-- The first schema. A migration that was released is never edited: a later
-- change is a file of its own. Times are milliseconds since 1970, UTC.

-- A deleted account keeps its row, without a password, so that its messages
-- keep their sender's name.
CREATE TABLE accounts (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    name     TEXT NOT NULL,
    password TEXT,
    admin    INTEGER NOT NULL CHECK (admin IN (0, 1)),
    disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    epoch    INTEGER NOT NULL DEFAULT 1,
    created  INTEGER NOT NULL,
    deleted  INTEGER,
    CHECK ((password IS NULL) = (deleted IS NOT NULL))
) STRICT;

-- A private conversation has its two accounts in a and b, a group's has NULL.
-- Rows are never deleted: they are what tells which ids and numbers were given,
-- see messages_swept.
CREATE TABLE conversations (
    id           INTEGER PRIMARY KEY,
    a            INTEGER REFERENCES accounts,
    b            INTEGER REFERENCES accounts,
    swept_id     INTEGER NOT NULL DEFAULT 0,
    swept_number INTEGER NOT NULL DEFAULT 0,
    UNIQUE (a, b),
    CHECK ((a IS NULL) = (b IS NULL) AND a <= b)
) STRICT;
CREATE INDEX conversations_b ON conversations (b);

-- A dropped group keeps its row and its members, so that it can be restored,
-- but not its name.
CREATE TABLE groups (
    id       INTEGER PRIMARY KEY REFERENCES conversations,
    name     TEXT NOT NULL,
    password TEXT NOT NULL,
    created  INTEGER NOT NULL,
    dropped  INTEGER
) STRICT;

-- The one namespace of accounts and groups.
CREATE TABLE names (
    key          TEXT PRIMARY KEY,
    skeleton     TEXT NOT NULL UNIQUE,
    account      INTEGER UNIQUE REFERENCES accounts,
    conversation INTEGER UNIQUE REFERENCES groups,
    CHECK ((account IS NULL) <> (conversation IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
    conversation INTEGER NOT NULL REFERENCES groups,
    account      INTEGER NOT NULL REFERENCES accounts,
    role         INTEGER NOT NULL,
    joined       INTEGER NOT NULL,
    PRIMARY KEY (conversation, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_account ON members (account);

-- Within a conversation, id and number grow together.
CREATE TABLE messages (
    id           INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL REFERENCES conversations,
    number       INTEGER NOT NULL,
    time         INTEGER NOT NULL,
    kind         INTEGER NOT NULL,
    sender       INTEGER NOT NULL REFERENCES accounts,
    text         TEXT NOT NULL,
    UNIQUE (conversation, number)
) STRICT;

-- Ids and numbers are never given twice, and the greatest ones are read back
-- from the messages at start. So whoever deletes messages leaves a mark of what
-- was there; writing a message costs nothing for it, as AUTOINCREMENT would.
CREATE TRIGGER messages_swept AFTER DELETE ON messages BEGIN
    UPDATE conversations
    SET swept_id = max(swept_id, OLD.id), swept_number = max(swept_number, OLD.number)
    WHERE id = OLD.conversation;
END;

CREATE TABLE positions (
    account      INTEGER NOT NULL REFERENCES accounts,
    conversation INTEGER NOT NULL REFERENCES conversations,
    number       INTEGER NOT NULL,
    PRIMARY KEY (account, conversation)
) STRICT, WITHOUT ROWID;
