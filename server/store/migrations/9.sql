-- Whether plain members may only read in the group's folder.
ALTER TABLE groups ADD COLUMN read_only INTEGER NOT NULL DEFAULT 0 CHECK (read_only IN (0, 1));
