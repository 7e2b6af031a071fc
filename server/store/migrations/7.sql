-- The SHA-256 of files, for as long as they are in that state; times are
-- nanoseconds here. It can all be computed again.
CREATE TABLE sums (
    inode    INTEGER PRIMARY KEY,
    size     INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    changed  INTEGER NOT NULL,
    sum      BLOB NOT NULL
) STRICT;
