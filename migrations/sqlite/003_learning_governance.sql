-- Learning governance: what agents are told, in versions that never change, and what may change which of them is active.

-- A version of the policy of a tenant's agent role. Numbers count from 1 and are never given out again.
CREATE TABLE agent_policies (
    tenant_id      TEXT        NOT NULL,
    role           TEXT        NOT NULL CHECK (role IN ('architect', 'developer', 'reviewer', 'tester', 'security')),
    version        INTEGER     NOT NULL CHECK (version > 0),
    -- In canonical form (RFC 8785), which the digest is over.
    document       TEXT        NOT NULL CHECK (json_valid(document)),
    content_sha256 BLOB        NOT NULL CHECK (length(content_sha256) = 32),
    created_by     TEXT        NOT NULL,
    created_at     INTEGER     NOT NULL,
    PRIMARY KEY (tenant_id, role, version)
) STRICT, WITHOUT ROWID;
-- What jobs were asked under stays what it was, whoever writes.
CREATE TRIGGER agent_policies_no_update BEFORE UPDATE ON agent_policies
BEGIN
    SELECT RAISE(ABORT, 'agent_policies is append-only');
END;
CREATE TRIGGER agent_policies_no_delete BEFORE DELETE ON agent_policies
BEGIN
    SELECT RAISE(ABORT, 'agent_policies is append-only');
END;
CREATE TRIGGER agent_policies_no_replace BEFORE INSERT ON agent_policies
WHEN EXISTS (SELECT 1 FROM agent_policies WHERE tenant_id = NEW.tenant_id AND role = NEW.role AND version = NEW.version)
BEGIN
    SELECT RAISE(ABORT, 'agent_policies is append-only');
END;

-- Which version is active: one row a role, held by whoever decides anything about it, so that quotas and cooldowns hold
-- however many ask at once.
CREATE TABLE governance_slots (
    tenant_id      TEXT        NOT NULL,
    role           TEXT        NOT NULL CHECK (role IN ('architect', 'developer', 'reviewer', 'tester', 'security')),
    -- 0 where none is.
    active_version INTEGER     NOT NULL DEFAULT 0,
    -- The newest number that was given out.
    last_version   INTEGER     NOT NULL DEFAULT 0,
    -- The change on trial.
    canary         BLOB        CHECK (length(canary) = 16),
    frozen_at      INTEGER,
    frozen_by      TEXT,
    frozen_reason  TEXT,
    -- When it was unfrozen last: earlier rollbacks are done with.
    thawed_at      INTEGER,
    PRIMARY KEY (tenant_id, role),
    CHECK (active_version <= last_version),
    CHECK (frozen_at IS NULL OR frozen_by IS NOT NULL AND frozen_reason IS NOT NULL)
) STRICT, WITHOUT ROWID;
-- For whoever counts them; few at any time.
CREATE INDEX governance_slots_frozen ON governance_slots (role) WHERE frozen_at IS NOT NULL;

-- A proposal to make a version active, and how far it came.
CREATE TABLE policy_changes (
    id                BLOB        NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id         TEXT        NOT NULL,
    role              TEXT        NOT NULL,
    version           INTEGER     NOT NULL,
    -- What it was made for; 0 where none was active.
    base_version      INTEGER     NOT NULL CHECK (base_version >= 0),
    content_sha256    BLOB        NOT NULL CHECK (length(content_sha256) = 32),
    state             TEXT        NOT NULL CHECK (state IN (
        'proposed', 'validating', 'evaluating', 'awaiting_approval', 'approved', 'scheduled', 'canary', 'active',
        'superseded', 'rejected', 'expired', 'failed', 'withdrawn', 'rolled_back', 'stale')),
    proposed_by       TEXT        NOT NULL,
    reason            TEXT        NOT NULL,
    -- Why it failed, was rejected or rolled back.
    note              TEXT,
    activate_at       INTEGER,
    evaluation        TEXT        CHECK (json_valid(evaluation)),
    created_at        INTEGER     NOT NULL,
    state_at          INTEGER     NOT NULL,
    activated_at      INTEGER,
    rolled_back_at    INTEGER,
    -- An activation against the rules, and who else looked at it.
    glass_by          TEXT,
    glass_reviewed_by TEXT,
    glass_reviewed_at INTEGER,
    UNIQUE (tenant_id, role, version),
    FOREIGN KEY (tenant_id, role, version) REFERENCES agent_policies
) STRICT, WITHOUT ROWID;
-- For lists, newest first.
CREATE INDEX policy_changes_by_tenant ON policy_changes (tenant_id, id);
-- For what was activated lately, which quota and cooldown are counted by.
CREATE INDEX policy_changes_activated ON policy_changes (tenant_id, role, activated_at) WHERE activated_at IS NOT NULL;
-- For those that are open, of which a role has a few.
CREATE INDEX policy_changes_open ON policy_changes (tenant_id, role)
    WHERE state IN ('proposed', 'validating', 'evaluating', 'awaiting_approval', 'approved', 'scheduled', 'canary');

-- Who decided what, and of which content for which base it holds.
CREATE TABLE policy_approvals (
    id             BLOB        NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id      TEXT        NOT NULL,
    change_id      BLOB        NOT NULL REFERENCES policy_changes,
    content_sha256 BLOB        NOT NULL CHECK (length(content_sha256) = 32),
    base_version   INTEGER     NOT NULL,
    approved       INTEGER     NOT NULL CHECK (approved IN (0, 1)),
    decided_by     TEXT        NOT NULL,
    reason         TEXT        NOT NULL,
    at             INTEGER     NOT NULL
) STRICT, WITHOUT ROWID;
-- One yes is enough, and there is no other.
CREATE UNIQUE INDEX policy_approvals_once ON policy_approvals (change_id) WHERE approved;
CREATE TRIGGER policy_approvals_no_update BEFORE UPDATE ON policy_approvals
BEGIN
    SELECT RAISE(ABORT, 'policy_approvals is append-only');
END;
CREATE TRIGGER policy_approvals_no_delete BEFORE DELETE ON policy_approvals
BEGIN
    SELECT RAISE(ABORT, 'policy_approvals is append-only');
END;
CREATE TRIGGER policy_approvals_no_replace BEFORE INSERT ON policy_approvals
WHEN EXISTS (SELECT 1 FROM policy_approvals WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'policy_approvals is append-only');
END;

-- How the questions of either side of a trial ended. Written only while there is one.
CREATE TABLE policy_samples (
    change_id   BLOB   NOT NULL,
    -- Under the active version, or under the one on trial.
    arm         TEXT   NOT NULL CHECK (arm IN ('base', 'trial')),
    samples     INTEGER NOT NULL DEFAULT 0,
    failures    INTEGER NOT NULL DEFAULT 0,
    invalid     INTEGER NOT NULL DEFAULT 0,
    leaks       INTEGER NOT NULL DEFAULT 0,
    -- Failures since the last that was none.
    in_a_row    INTEGER NOT NULL DEFAULT 0,
    cost_micros INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (change_id, arm)
) STRICT, WITHOUT ROWID;

-- A change as its readers see it, with the yes that it has.
CREATE VIEW policy_change_view AS
SELECT c.id, c.tenant_id, c.role, c.version, c.base_version, c.content_sha256, c.state, c.proposed_by, c.reason, c.note,
       c.activate_at, c.evaluation, c.created_at, c.state_at, c.activated_at, c.rolled_back_at,
       c.glass_by, c.glass_reviewed_by, c.glass_reviewed_at,
       a.content_sha256 AS approved_sha256, a.base_version AS approved_base, a.decided_by AS approved_by,
       a.at AS approved_at
FROM policy_changes c LEFT JOIN policy_approvals a ON a.change_id = c.id AND a.approved;
