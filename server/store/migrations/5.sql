-- The words of messages, by rowid, which is a message's id. Nothing of a message
-- is kept here a second time. place is its conversation, so that a search meets
-- nothing of others.
CREATE VIRTUAL TABLE search USING fts5(place, text, content = '', contentless_delete = 1);

CREATE TRIGGER messages_unindexed AFTER DELETE ON messages BEGIN
    DELETE FROM search WHERE rowid = OLD.id;
END;
