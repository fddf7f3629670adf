-- Keys, each wrapped by a master key that is not here.
CREATE TABLE keys (
    name TEXT PRIMARY KEY,
    wrapped TEXT NOT NULL
) STRICT, WITHOUT ROWID;
