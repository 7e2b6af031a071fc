-- Whether members see of the history only what came after they joined: since is
-- the number of the last message before.
ALTER TABLE groups ADD COLUMN history_joined INTEGER NOT NULL DEFAULT 0 CHECK (history_joined IN (0, 1));
ALTER TABLE members ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
