-- Who wants no text messages, and since when (ms since 1970).
CREATE TABLE opt_outs (
    user_id TEXT PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The text messages that came: one that is delivered again is not answered again.
CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
