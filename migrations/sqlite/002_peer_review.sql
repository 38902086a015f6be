-- Peer review: what panels of agents make of agents' work.
--
-- The twin of the PostgreSQL schema; 001 says how the two differ. What follows from a ballot, from the time and from a
-- human's word is decided by one pure function, which reads a review with its ballots and writes it back within the
-- transaction: the columns here are what it needs and what lists choose by.

CREATE TABLE peer_reviews (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id    TEXT    NOT NULL,
    -- The job that sees to the round under way. A review whose job is cancelled is cancelled, which is read off the job
    -- and not written here; one whose job is forgotten is forgotten.
    job_id       BLOB    NOT NULL CHECK (length(job_id) = 16),
    title        TEXT    NOT NULL,
    risk         TEXT    NOT NULL CHECK (risk IN ('normal', 'high')),
    -- The agent's role that made the work, and the user who had it made: neither may judge it.
    author       TEXT    NOT NULL,
    submitted_by TEXT,
    -- A review that is pending has no row yet: it is a job that waits.
    state        TEXT    NOT NULL
        CHECK (state IN ('COLLECTING', 'APPROVED', 'REJECTED', 'CHANGES_REQUESTED', 'ESCALATED')),
    round        INTEGER NOT NULL CHECK (round IN (1, 2)),
    -- SHA-256 of the work, in hex. A ballot about another one does not count.
    digest       TEXT    NOT NULL,
    -- The seats with their roles and weights, those of replacements included.
    panel        TEXT    NOT NULL CHECK (json_valid(panel)),
    opened_at    INTEGER NOT NULL,
    -- When the places of silent seats were given to others.
    replaced_at  INTEGER,
    -- When the panel was done with the round: the time to consensus is up to here, whoever decides afterwards.
    closed_at    INTEGER,
    -- What a human said of it.
    ruling       TEXT    CHECK (json_valid(ruling)),
    -- The round before this one.
    earlier      TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(earlier)),
    CHECK ((state = 'COLLECTING') = (closed_at IS NULL))
) STRICT;

-- Lists are by tenant, newest first.
CREATE INDEX peer_reviews_by_tenant ON peer_reviews (tenant_id, id);
-- What is not decided: few among what was ever there, asked for most.
CREATE INDEX peer_reviews_open ON peer_reviews (tenant_id, id) WHERE state IN ('COLLECTING', 'ESCALATED');
-- For whoever forgets jobs.
CREATE UNIQUE INDEX peer_reviews_by_job ON peer_reviews (job_id);
-- For the figures that pools scale on: what is collected now, and what came to an end lately.
CREATE INDEX peer_reviews_collecting ON peer_reviews (opened_at) WHERE state = 'COLLECTING';
CREATE INDEX peer_reviews_closed ON peer_reviews (closed_at) WHERE closed_at IS NOT NULL;

-- What seats said. Never changed: a seat says one thing in a round.
CREATE TABLE peer_ballots (
    review_id      BLOB    NOT NULL CHECK (length(review_id) = 16),
    round          INTEGER NOT NULL,
    seat           INTEGER NOT NULL,
    role           TEXT    NOT NULL,
    -- What it judged, in hex.
    digest         TEXT    NOT NULL,
    verdict        TEXT    NOT NULL CHECK (verdict IN ('approve', 'request_changes', 'reject', 'abstain')),
    severity       TEXT    NOT NULL CHECK (severity IN ('none', 'minor', 'major', 'critical')),
    findings       TEXT    NOT NULL CHECK (json_valid(findings)),
    -- Kept, and never weighed.
    confidence     REAL,
    -- Why it counts as an abstention.
    reason         TEXT,
    policy_version INTEGER NOT NULL,
    model          TEXT,
    cast_at        INTEGER NOT NULL,
    PRIMARY KEY (review_id, round, seat)
) STRICT, WITHOUT ROWID;
