-- What an account may do with files: 0 everything, 1 read, 2 read and add. A
-- quota or rate of -1 is that of the configuration, 0 is no bound.
ALTER TABLE accounts ADD COLUMN files_access INTEGER NOT NULL DEFAULT 0 CHECK (files_access IN (0, 1, 2));
ALTER TABLE accounts ADD COLUMN files_quota INTEGER NOT NULL DEFAULT -1 CHECK (files_quota >= -1);
ALTER TABLE accounts ADD COLUMN files_rate INTEGER NOT NULL DEFAULT -1 CHECK (files_rate >= -1);
