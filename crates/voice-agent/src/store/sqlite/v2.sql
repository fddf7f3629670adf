-- What was spent, added up by day (UTC, an ISO date), channel, provider and stage. Money is whole nano-dollars.
CREATE TABLE spend (
    day TEXT NOT NULL,
    channel TEXT NOT NULL,
    provider TEXT NOT NULL,
    stage TEXT NOT NULL,
    used INTEGER NOT NULL,
    wasted INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    records INTEGER NOT NULL,
    PRIMARY KEY (day, channel, provider, stage)
) STRICT, WITHOUT ROWID;

-- The batches that were added: one that is sent again, because its answer was lost, is not added again.
CREATE TABLE spend_batches (
    id TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
