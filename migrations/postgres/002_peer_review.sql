-- Peer review: what panels of agents make of agents' work.
--
-- What follows from a ballot, from the time and from a human's word is decided by one pure function, which reads a
-- review with its ballots and writes it back within the transaction: the columns here are what it needs and what lists
-- choose by.

CREATE TABLE peer_reviews (
    id           uuid        PRIMARY KEY,
    tenant_id    text        NOT NULL,
    -- The job that sees to the round under way. A review whose job is cancelled is cancelled, which is read off the job
    -- and not written here; one whose job is forgotten is forgotten.
    job_id       uuid        NOT NULL,
    title        text        NOT NULL,
    risk         text        NOT NULL CHECK (risk IN ('normal', 'high')),
    -- The agent's role that made the work, and the user who had it made: neither may judge it.
    author       text        NOT NULL,
    submitted_by text,
    -- A review that is pending has no row yet: it is a job that waits.
    state        text        NOT NULL
        CHECK (state IN ('COLLECTING', 'APPROVED', 'REJECTED', 'CHANGES_REQUESTED', 'ESCALATED')),
    round        integer     NOT NULL CHECK (round IN (1, 2)),
    -- SHA-256 of the work, in hex. A ballot about another one does not count.
    digest       text        NOT NULL,
    -- The seats with their roles and weights, those of replacements included.
    panel        json        NOT NULL,
    opened_at    timestamptz NOT NULL,
    -- When the places of silent seats were given to others.
    replaced_at  timestamptz,
    -- When the panel was done with the round: the time to consensus is up to here, whoever decides afterwards.
    closed_at    timestamptz,
    -- What a human said of it.
    ruling       json,
    -- The round before this one.
    earlier      json        NOT NULL DEFAULT '[]',
    CHECK ((state = 'COLLECTING') = (closed_at IS NULL))
);

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
    review_id      uuid             NOT NULL,
    round          integer          NOT NULL,
    seat           integer          NOT NULL,
    role           text             NOT NULL,
    -- What it judged, in hex.
    digest         text             NOT NULL,
    verdict        text             NOT NULL CHECK (verdict IN ('approve', 'request_changes', 'reject', 'abstain')),
    severity       text             NOT NULL CHECK (severity IN ('none', 'minor', 'major', 'critical')),
    findings       json             NOT NULL,
    -- Kept, and never weighed.
    confidence     double precision,
    -- Why it counts as an abstention.
    reason         text,
    policy_version integer          NOT NULL,
    model          text,
    cast_at        timestamptz      NOT NULL,
    PRIMARY KEY (review_id, round, seat)
);
