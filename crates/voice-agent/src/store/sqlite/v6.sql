-- The sessions that were erased with their person: what their owner has not saved yet is not put back.
CREATE TABLE erased_sessions (
    id TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The names of the keys that were destroyed: an erasure that broke off behind that, and is done again, can say so.
CREATE TABLE destroyed_keys (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- On which disk each access log is: the host, and the folder there.
ALTER TABLE access_logs ADD COLUMN place TEXT NOT NULL DEFAULT '';
