-- What people decided about recordings. Rows are added and never changed; a person's go when the person is erased.
CREATE TABLE consents (
    user_id TEXT NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

-- How far each access log is: what is cut off at its end is noticed.
CREATE TABLE access_logs (
    name TEXT PRIMARY KEY,
    lines INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;
