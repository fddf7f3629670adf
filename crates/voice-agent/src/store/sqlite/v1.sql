-- Times are milliseconds since 1970 (UTC) unless the name says otherwise; JSON is TEXT.

-- The number of the last owner of any session. One counter for all, so that a session that is deleted and made again
-- under its old id never gives an old owner's number to a new one.
CREATE TABLE fence (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    last INTEGER NOT NULL
) STRICT;
INSERT INTO fence VALUES (1, 0);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    doc TEXT NOT NULL,
    token_hash BLOB NOT NULL CHECK (length(token_hash) = 32),
    fence INTEGER NOT NULL,
    owner TEXT NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0 CHECK (ended IN (0, 1)),
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- What each tool answered: a call that is found here has happened.
CREATE TABLE tool_intents (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    turn INTEGER NOT NULL,
    call INTEGER NOT NULL,
    output TEXT NOT NULL,
    PRIMARY KEY (session_id, turn, call)
) STRICT, WITHOUT ROWID;

CREATE TABLE handovers (
    session_id TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    context TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

-- The revision stays when the last task goes.
CREATE TABLE users (
    id TEXT PRIMARY KEY,
    tasks_rev INTEGER NOT NULL
) STRICT;

CREATE TABLE tasks (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    created_at_us INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

-- The undo journal, newest with the greatest number.
CREATE TABLE undo (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (user_id, number)
) STRICT, WITHOUT ROWID;

-- What a health check writes.
CREATE TABLE probe (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    at INTEGER NOT NULL
) STRICT;
