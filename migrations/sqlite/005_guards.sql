-- What supervisors watch: a row for each guard, made by the first look.
--
-- One process at a time looks, and writes here once a look whose turn it is. What a look came to is written only
-- where something was wrong, or had been.
CREATE TABLE guards (
    name      TEXT    NOT NULL PRIMARY KEY,
    -- Whose turn it is to look, and until when.
    worker_id BLOB    NOT NULL CHECK (length(worker_id) = 16),
    until     INTEGER NOT NULL,
    looked_at INTEGER NOT NULL,
    -- When it did something about what it found, within the last hour: an array.
    remedied  TEXT    NOT NULL DEFAULT '[]',
    -- Looks in a row that found what the guard could not mend.
    failures  INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    -- Whether a human was asked, and nothing was well since.
    escalated INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
