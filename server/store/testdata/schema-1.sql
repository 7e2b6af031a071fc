-- A database of schema 1 as it was released, with a little of everything in it.
-- It is frozen: what it holds must still be there after every later migration.
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

CREATE TABLE groups (
    id       INTEGER PRIMARY KEY REFERENCES conversations,
    name     TEXT NOT NULL,
    password TEXT NOT NULL,
    created  INTEGER NOT NULL,
    dropped  INTEGER
) STRICT;

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

INSERT INTO accounts (id, name, password, admin, disabled, epoch, created, deleted) VALUES
    (1, 'Ani', 'hash of Ani', 1, 0, 3, 1767323045678, NULL),
    (2, 'budi', NULL, 0, 0, 1, 1767323045678, 1767323045679),
    (3, 'Citra', 'hash of Citra', 0, 1, 2, 1767323045678, NULL);
INSERT INTO conversations (id, a, b) VALUES (1, NULL, NULL), (2, 1, 2), (3, NULL, NULL);
INSERT INTO groups (id, name, password, created, dropped) VALUES
    (1, 'Dapur', 'hash of Dapur', 1767323045678, NULL),
    (3, 'lama', 'hash of lama', 1767323045678, 1767323045679);
INSERT INTO names (key, skeleton, account, conversation) VALUES
    ('ani', 'anl', 1, NULL), ('citra', 'cltra', 3, NULL), ('dapur', 'dapur', NULL, 1);
INSERT INTO members (conversation, account, role, joined) VALUES
    (1, 1, 3, 1767323045678), (1, 3, 1, 1767323045679), (3, 1, 3, 1767323045678);
INSERT INTO messages (id, conversation, number, time, kind, sender, text) VALUES
    (1, 1, 1, 1767323045678, 1, 1, 'halo'), (2, 2, 1, 1767323045678, 1, 2, 'hai'),
    (3, 1, 2, 1767323045678, 1, 3, 'selamat pagi'), (4, 1, 3, 1767323045678, 1, 3, 'swept');
DELETE FROM messages WHERE id = 4;
INSERT INTO positions (account, conversation, number) VALUES (1, 1, 1), (1, 2, 1), (3, 1, 0);
PRAGMA application_id = 0x706f736b;
PRAGMA user_version = 1;
