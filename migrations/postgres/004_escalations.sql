-- What needs a human: a job asks, somebody answers, and the job goes on by the answer.
--
-- Written when one is opened, acknowledged and resolved: seldom, and never by a job that asks nobody. A row goes with
-- its job, when that is old enough.
CREATE TABLE escalations (
    id              uuid        PRIMARY KEY,
    tenant_id       text        NOT NULL,
    -- Who waits for the answer. Unique, so that a job whose runs are repeated asks once.
    job_id          uuid        NOT NULL UNIQUE,
    about           text        NOT NULL CHECK (about IN ('review', 'task', 'policy', 'budget', 'guard', 'other')),
    -- Id or name of what it is about.
    subject         text        NOT NULL,
    reason          text        NOT NULL,
    severity        text        NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    state           text        NOT NULL CHECK (state IN ('open', 'acknowledged', 'resolved')),
    opened_at       timestamptz NOT NULL,
    acknowledged_by text,
    acknowledged_at timestamptz,
    resolution      text        CHECK (resolution IN ('approved', 'rejected', 'fixed', 'dismissed', 'withdrawn')),
    note            text,
    resolved_by     text,
    resolved_at     timestamptz,
    CHECK ((acknowledged_by IS NULL) = (acknowledged_at IS NULL)),
    CHECK (state <> 'acknowledged' OR acknowledged_at IS NOT NULL),
    CHECK ((state = 'resolved') = (resolved_at IS NOT NULL)),
    CHECK ((resolved_at IS NULL) = (resolution IS NULL) AND (resolved_at IS NULL) = (resolved_by IS NULL))
);
CREATE INDEX escalations_by_tenant ON escalations (tenant_id, id);
-- What still needs somebody: few among what was ever there, asked for most, and counted for whoever scales on it.
CREATE INDEX escalations_unresolved ON escalations (tenant_id, id) WHERE state <> 'resolved';
