-- Learning governance: what agents are told, in versions that never change, and what may change which of them is active.

-- A version of the policy of a tenant's agent role. Numbers count from 1 and are never given out again.
CREATE TABLE agent_policies (
    tenant_id      text        NOT NULL,
    role           text        NOT NULL CHECK (role IN ('architect', 'developer', 'reviewer', 'tester', 'security')),
    version        integer     NOT NULL CHECK (version > 0),
    -- In canonical form (RFC 8785), which the digest is over: json keeps the text as it is.
    document       json        NOT NULL,
    content_sha256 bytea       NOT NULL CHECK (length(content_sha256) = 32),
    created_by     text        NOT NULL,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, role, version)
);
-- What jobs were asked under stays what it was, whoever writes.
CREATE TRIGGER agent_policies_append_only BEFORE UPDATE OR DELETE ON agent_policies
    FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only();
CREATE TRIGGER agent_policies_no_truncate BEFORE TRUNCATE ON agent_policies
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();

-- Which version is active: one row a role, held by whoever decides anything about it, so that quotas and cooldowns hold
-- however many ask at once.
CREATE TABLE governance_slots (
    tenant_id      text        NOT NULL,
    role           text        NOT NULL CHECK (role IN ('architect', 'developer', 'reviewer', 'tester', 'security')),
    -- 0 where none is.
    active_version integer     NOT NULL DEFAULT 0,
    -- The newest number that was given out.
    last_version   integer     NOT NULL DEFAULT 0,
    -- The change on trial.
    canary         uuid,
    frozen_at      timestamptz,
    frozen_by      text,
    frozen_reason  text,
    -- When it was unfrozen last: earlier rollbacks are done with.
    thawed_at      timestamptz,
    PRIMARY KEY (tenant_id, role),
    CHECK (active_version <= last_version),
    CHECK (frozen_at IS NULL OR frozen_by IS NOT NULL AND frozen_reason IS NOT NULL)
) WITH (fillfactor = 50);
-- For whoever counts them; few at any time.
CREATE INDEX governance_slots_frozen ON governance_slots (role) WHERE frozen_at IS NOT NULL;

-- A proposal to make a version active, and how far it came.
CREATE TABLE policy_changes (
    id                uuid        PRIMARY KEY,
    tenant_id         text        NOT NULL,
    role              text        NOT NULL,
    version           integer     NOT NULL,
    -- What it was made for; 0 where none was active.
    base_version      integer     NOT NULL CHECK (base_version >= 0),
    content_sha256    bytea       NOT NULL CHECK (length(content_sha256) = 32),
    state             text        NOT NULL CHECK (state IN (
        'proposed', 'validating', 'evaluating', 'awaiting_approval', 'approved', 'scheduled', 'canary', 'active',
        'superseded', 'rejected', 'expired', 'failed', 'withdrawn', 'rolled_back', 'stale')),
    proposed_by       text        NOT NULL,
    reason            text        NOT NULL,
    -- Why it failed, was rejected or rolled back.
    note              text,
    activate_at       timestamptz,
    evaluation        json,
    created_at        timestamptz NOT NULL,
    state_at          timestamptz NOT NULL,
    activated_at      timestamptz,
    rolled_back_at    timestamptz,
    -- An activation against the rules, and who else looked at it.
    glass_by          text,
    glass_reviewed_by text,
    glass_reviewed_at timestamptz,
    UNIQUE (tenant_id, role, version),
    FOREIGN KEY (tenant_id, role, version) REFERENCES agent_policies
);
-- For lists, newest first.
CREATE INDEX policy_changes_by_tenant ON policy_changes (tenant_id, id);
-- For what was activated lately, which quota and cooldown are counted by.
CREATE INDEX policy_changes_activated ON policy_changes (tenant_id, role, activated_at) WHERE activated_at IS NOT NULL;
-- For those that are open, of which a role has a few.
CREATE INDEX policy_changes_open ON policy_changes (tenant_id, role)
    WHERE state IN ('proposed', 'validating', 'evaluating', 'awaiting_approval', 'approved', 'scheduled', 'canary');

-- Who decided what, and of which content for which base it holds.
CREATE TABLE policy_approvals (
    id             uuid        PRIMARY KEY,
    tenant_id      text        NOT NULL,
    change_id      uuid        NOT NULL REFERENCES policy_changes,
    content_sha256 bytea       NOT NULL CHECK (length(content_sha256) = 32),
    base_version   integer     NOT NULL,
    approved       boolean     NOT NULL,
    decided_by     text        NOT NULL,
    reason         text        NOT NULL,
    at             timestamptz NOT NULL
);
-- One yes is enough, and there is no other.
CREATE UNIQUE INDEX policy_approvals_once ON policy_approvals (change_id) WHERE approved;
CREATE TRIGGER policy_approvals_append_only BEFORE UPDATE OR DELETE ON policy_approvals
    FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only();
CREATE TRIGGER policy_approvals_no_truncate BEFORE TRUNCATE ON policy_approvals
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();

-- How the questions of either side of a trial ended. Written only while there is one.
CREATE TABLE policy_samples (
    change_id   uuid   NOT NULL,
    -- Under the active version, or under the one on trial.
    arm         text   NOT NULL CHECK (arm IN ('base', 'trial')),
    samples     bigint NOT NULL DEFAULT 0,
    failures    bigint NOT NULL DEFAULT 0,
    invalid     bigint NOT NULL DEFAULT 0,
    leaks       bigint NOT NULL DEFAULT 0,
    -- Failures since the last that was none.
    in_a_row    bigint NOT NULL DEFAULT 0,
    cost_micros bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (change_id, arm)
) WITH (fillfactor = 50);

-- A change as its readers see it, with the yes that it has.
CREATE VIEW policy_change_view AS
SELECT c.id, c.tenant_id, c.role, c.version, c.base_version, c.content_sha256, c.state, c.proposed_by, c.reason, c.note,
       c.activate_at, c.evaluation::text AS evaluation, c.created_at, c.state_at, c.activated_at, c.rolled_back_at,
       c.glass_by, c.glass_reviewed_by, c.glass_reviewed_at,
       a.content_sha256 AS approved_sha256, a.base_version AS approved_base, a.decided_by AS approved_by,
       a.at AS approved_at
FROM policy_changes c LEFT JOIN policy_approvals a ON a.change_id = c.id AND a.approved;
