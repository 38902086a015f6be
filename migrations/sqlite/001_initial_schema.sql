-- Golden's tables. The store is the truth: every decision about a job is one
-- transaction over these, and whatever else carries messages is only a hint.
--
-- `jobs` is the record: inserted once, updated when a run ends. What churns is
-- narrow and beside it: `ready` (may be claimed, in claim order), `scheduled`
-- (due later) and `running` (who holds which run under which lease). A job that
-- is not terminal is in exactly one of these, or waits; one transaction moves it.
--
-- The twin of the PostgreSQL schema: the same tables, columns and meanings. What
-- differs everywhere, because of the types SQLite has:
--   * ids are UUIDs as BLOBs of 16 bytes, which compare as they do in PostgreSQL;
--   * times are INTEGER microseconds since 1970 in UTC;
--   * json is TEXT that a CHECK keeps valid, arrays are json;
--   * booleans are 0 and 1, so that `resolved = FALSE` reads as it does there;
--   * tables are STRICT: a value of another type is refused, not kept as it came.
-- WITHOUT ROWID stores a table in its primary key, which saves narrow tables a
-- second tree.

-- A tenant appears with its first job.
CREATE TABLE tenants (
    id              TEXT    NOT NULL PRIMARY KEY,
    -- Its share of a role's capacity, in proportion to those of the others who have work there.
    weight          INTEGER NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
    -- The longest payload and result of its jobs, in bytes; null stands for the default.
    max_payload     INTEGER CHECK (max_payload > 0),
    max_result      INTEGER CHECK (max_result > 0),
    -- The most that a program of its may use, each limit where it has one, as JSON.
    sandbox_limits  TEXT    NOT NULL DEFAULT '{}',
    suspended_at    INTEGER,
    -- Signs the webhooks of jobs that carry a callback_url (Standard Webhooks).
    callback_secret BLOB    NOT NULL CHECK (length(callback_secret) = 32),
    -- One that was replaced signs beside the new one until then.
    old_callback_secret BLOB CHECK (length(old_callback_secret) = 32),
    old_callback_until  INTEGER,
    created_at      INTEGER NOT NULL,
    CHECK ((old_callback_secret IS NULL) = (old_callback_until IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id               BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id        TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    role             TEXT    NOT NULL
        CHECK (role IN ('orchestrator', 'peer-hub', 'sandbox', 'supervisor', 'webhook')),
    -- The state as of the last write to this row. A claim does not write here:
    -- `job_view` lays `running` and `ready` over it and shows one state.
    state            TEXT    NOT NULL
        CHECK (state IN ('queued', 'scheduled', 'retrying', 'waiting', 'succeeded', 'dead', 'cancelled')),
    priority         INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
    -- Runs that spent an attempt. The run under way, if any, is attempt + 1.
    attempt          INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    max_attempts     INTEGER NOT NULL CHECK (max_attempts >= 1),
    -- Workers lost in a row. Three end the job whatever max_attempts says.
    lost             INTEGER NOT NULL DEFAULT 0,
    timeout_ms       INTEGER NOT NULL CHECK (timeout_ms > 0),
    payload          TEXT    NOT NULL CHECK (json_valid(payload)),
    result           TEXT    CHECK (json_valid(result)),
    checkpoint       TEXT    CHECK (json_valid(checkpoint)),
    progress         TEXT    CHECK (json_valid(progress)),
    metadata         TEXT    CHECK (json_valid(metadata)),
    callback_url     TEXT,
    parent_id        BLOB    CHECK (length(parent_id) = 16),
    -- The W3C traceparent that its runs go on from, and after a space the tracestate if there is one.
    trace_context    TEXT,
    -- Children not yet ended, while this job waits for them.
    pending_children INTEGER NOT NULL DEFAULT 0 CHECK (pending_children >= 0),
    -- Whether a parent still counts this job in its pending_children.
    awaited          INTEGER NOT NULL DEFAULT 0 CHECK (awaited IN (0, 1)),
    error_code       TEXT,
    error_message    TEXT,
    error_at         INTEGER,
    worker_id        BLOB    CHECK (length(worker_id) = 16),
    run_at           INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    started_at       INTEGER,
    finished_at      INTEGER,
    -- What its own runs spent, and what it may cost at most with all jobs below it. Micro-USD.
    cost_micros      INTEGER NOT NULL DEFAULT 0,
    max_cost         INTEGER CHECK (max_cost >= 0),
    CHECK ((state IN ('succeeded', 'dead', 'cancelled')) = (finished_at IS NOT NULL))
-- With a rowid: rows may hold long payloads, which would make the upper pages of a
-- tree by id hold few keys.
) STRICT;

-- Lists are by tenant, newest first; ids are UUIDv7 and so sort by time. No index
-- holds a column that a run's end changes, so that update touches no index.
CREATE INDEX jobs_by_tenant ON jobs (tenant_id, id);
CREATE INDEX jobs_by_parent ON jobs (parent_id, id) WHERE parent_id IS NOT NULL;

-- Claim order: urgency (0 first), then the fair-queueing tag, then age, so that a claim reads
-- and removes one stretch of one tree; what is parked is out of its way.
CREATE TABLE ready (
    role      TEXT    NOT NULL,
    -- Held back while its queue is gated (see `queues`): not to be claimed. Asked for as `parked = 0`: of `NOT parked`
    -- the key knows nothing, and the whole role would be read and sorted.
    parked    INTEGER NOT NULL DEFAULT 0 CHECK (parked IN (0, 1)),
    priority  INTEGER NOT NULL,
    fair_tag  INTEGER NOT NULL,
    id        BLOB    NOT NULL UNIQUE,
    tenant_id TEXT    NOT NULL,
    -- Let through a gated queue.
    admitted  INTEGER NOT NULL DEFAULT 0 CHECK (admitted IN (0, 1)),
    PRIMARY KEY (role, parked, priority, fair_tag, id)
) STRICT, WITHOUT ROWID;
-- Empty unless queues are gated.
CREATE INDEX ready_parked ON ready (role, tenant_id, priority, id) WHERE parked;
CREATE INDEX ready_admitted ON ready (role, tenant_id) WHERE admitted;
-- For the lists of deliveries that are pending; nothing is written to it for other jobs.
CREATE INDEX ready_webhooks ON ready (tenant_id, id) WHERE role = 'webhook';

-- Apart from `ready`, so that claims never step over rows of the future. A tenant's lists read its
-- own stretch of the key.
CREATE TABLE scheduled (
    id        BLOB    NOT NULL,
    run_at    INTEGER NOT NULL,
    role      TEXT    NOT NULL,
    priority  INTEGER NOT NULL,
    tenant_id TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX scheduled_by_due ON scheduled (run_at);

-- The fence. Every claim takes a new, ever-growing run_lease, and whatever a run
-- writes names it: a late worker finds no row and changes nothing. AUTOINCREMENT
-- is what PostgreSQL's sequence is there: without it SQLite would give the number
-- of the last row out again once that row is gone. The lease is the key, so that
-- a claim appends and an end removes by it. There is no index on worker_id:
-- rescue, which needs it, is rare and the table small.
CREATE TABLE running (
    run_lease  INTEGER PRIMARY KEY AUTOINCREMENT,
    id         BLOB    NOT NULL UNIQUE,
    worker_id  BLOB    NOT NULL CHECK (length(worker_id) = 16),
    role       TEXT    NOT NULL,
    tenant_id  TEXT    NOT NULL,
    cancel     INTEGER NOT NULL DEFAULT 0 CHECK (cancel IN (0, 1)),
    started_at INTEGER NOT NULL
) STRICT;

-- Until when jobs wait at the latest, where their last run said so. A row may outlive its wait: it goes when its time
-- has come, and makes no later wait of the job shorter.
CREATE TABLE waits (
    job_id     BLOB    NOT NULL PRIMARY KEY CHECK (length(job_id) = 16),
    -- When the run began that said so, as in `jobs`: a run that comes later says for itself.
    started_at INTEGER NOT NULL,
    until      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX waits_by_time ON waits (until);

-- One row a run that did not succeed. A success is told by the job's own row, so
-- that the common case writes nothing here.
CREATE TABLE job_attempts (
    job_id        BLOB    NOT NULL,
    run_lease     INTEGER NOT NULL,
    attempt       INTEGER NOT NULL,
    outcome       TEXT    NOT NULL,
    error_code    TEXT,
    error_message TEXT,
    worker_id     BLOB,
    started_at    INTEGER NOT NULL,
    finished_at   INTEGER NOT NULL,
    PRIMARY KEY (job_id, run_lease)
) STRICT, WITHOUT ROWID;

-- What runs wrote for those who read along. Rows come in batches and only from runs that
-- still hold their lease; a job that writes nothing has none. `seq` counts from 1 within the
-- job and has no gaps, so that a reader who has seen one knows where to go on.
CREATE TABLE job_logs (
    job_id    BLOB    NOT NULL,
    seq       INTEGER NOT NULL CHECK (seq > 0),
    run_lease INTEGER NOT NULL,
    attempt   INTEGER NOT NULL,
    -- `system` is Golden's own, such as that the rest was cut off.
    stream    TEXT    NOT NULL CHECK (stream IN ('log', 'stdout', 'stderr', 'system')),
    at        INTEGER NOT NULL,
    text      TEXT    NOT NULL,
    PRIMARY KEY (job_id, seq)
) STRICT, WITHOUT ROWID;

-- One row a worker process and one update a heartbeat, however many jobs it holds.
CREATE TABLE workers (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    host         TEXT    NOT NULL,
    pid          INTEGER NOT NULL,
    roles        TEXT    NOT NULL CHECK (json_valid(roles)),
    -- Runs at once at most in the pool of each of these roles, in the same order.
    capacities   TEXT    NOT NULL CHECK (json_array_length(capacities) = json_array_length(roles)),
    version      TEXT    NOT NULL,
    started_at   INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    -- Since when it is asked to drain: to claim nothing more, and to end once nothing runs.
    draining_at  INTEGER
) STRICT, WITHOUT ROWID;

-- The answer to "has this request been accepted before?", written with the job.
CREATE TABLE idempotency_keys (
    tenant_id   TEXT    NOT NULL,
    route       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    job_id      BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, route, key)
) STRICT, WITHOUT ROWID;
-- For whoever forgets the old ones.
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- Chores that one worker at a time does for all, and until when it is whose turn.
CREATE TABLE turns (
    chore     TEXT    NOT NULL PRIMARY KEY,
    worker_id BLOB    NOT NULL CHECK (length(worker_id) = 16),
    until     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A queue is a tenant's share of a role; tenant_id '' stands for the role itself.
CREATE TABLE queues (
    role        TEXT    NOT NULL,
    tenant_id   TEXT    NOT NULL,
    -- A paused queue takes jobs and gives none out.
    paused      INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    paused_by   TEXT,
    paused_at   INTEGER,
    -- Quotas of the tenant in this role; null is none.
    max_running INTEGER CHECK (max_running > 0),
    max_queued  INTEGER CHECK (max_queued > 0),
    -- Whether what comes in is parked until `admit` lets it through: while the queue is paused
    -- or has a max_running, and until what was parked then is through.
    gated       INTEGER NOT NULL DEFAULT 0 CHECK (gated IN (0, 1)),
    -- Whether jobs may be left in claim order that were there when the gate closed.
    unswept     INTEGER NOT NULL DEFAULT 0 CHECK (unswept IN (0, 1)),
    -- When the gate was last moved; null once nothing can be left behind an open one.
    gate_moved_at INTEGER,
    -- Of the jobs that ever arrived (see `lines`), how many were gone when they were last counted: the
    -- difference bounds the queue from above without counting it again.
    gone        INTEGER NOT NULL DEFAULT 0,
    counted_at  INTEGER,
    PRIMARY KEY (role, tenant_id),
    CHECK (gated OR NOT paused AND max_running IS NULL OR tenant_id = ''),
    CHECK (NOT gated OR gate_moved_at IS NOT NULL)
) STRICT, WITHOUT ROWID;
-- Those that have a gate, or had one a moment ago: mostly none.
CREATE INDEX queues_gated ON queues (role, tenant_id) WHERE gate_moved_at IS NOT NULL;
CREATE INDEX queues_bounded ON queues (role, tenant_id) WHERE max_queued IS NOT NULL;
INSERT INTO queues (role, tenant_id)
VALUES ('orchestrator', ''), ('peer-hub', ''), ('sandbox', ''), ('supervisor', ''), ('webhook', '');

-- Fairness is start-time fair queueing (Goyal, Vin and Cheng, 1996) within each role and priority: a
-- job that becomes ready is tagged with the later of the tag claimed last and of where its tenant's
-- line ends, and the line moves on by 1 / weight. Whoever has much queued is far ahead with its tags,
-- and a newcomer's come first.
CREATE TABLE lines (
    role          TEXT    NOT NULL,
    -- '' is the role's own: its tag is the one claimed last.
    tenant_id     TEXT    NOT NULL,
    priority      INTEGER NOT NULL,
    -- Where the line of new jobs ends, and that of jobs which come back from a worker: these need not
    -- queue behind their tenant's backlog, and have no more than another tenant's share for it.
    tag           INTEGER NOT NULL DEFAULT 0,
    returning_tag INTEGER NOT NULL DEFAULT 0,
    -- Jobs that ever joined it.
    arrived       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (role, tenant_id, priority)
) STRICT, WITHOUT ROWID;
INSERT INTO lines (role, tenant_id, priority)
SELECT role, '', value FROM queues CROSS JOIN json_each('[0,1,2,3,4,5,6,7,8,9]');

-- Jobs submitted by the clock. A slot is dealt with once: whoever does so names the revision it has read,
-- leaves the next one, and records the job in the same transaction. Slots of a schedule only ever grow.
CREATE TABLE schedules (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id    TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    cron         TEXT    NOT NULL,
    time_zone    TEXT    NOT NULL,
    catch_up     TEXT    NOT NULL CHECK (catch_up IN ('skip', 'one')),
    -- In the form of POST /v1/jobs, with every default filled in.
    submission   TEXT    NOT NULL CHECK (json_valid(submission)),
    revision     INTEGER NOT NULL DEFAULT 1,
    -- Null while the schedule is paused.
    next_slot    INTEGER,
    last_slot    INTEGER,
    last_outcome TEXT    CHECK (last_outcome IN ('fired', 'skipped', 'failed')),
    last_error   TEXT,
    -- Of the last slot that fired, which may be an earlier one.
    last_job_id  BLOB    CHECK (length(last_job_id) = 16),
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    UNIQUE (tenant_id, name),
    CHECK (last_slot < next_slot),
    CHECK ((last_slot IS NULL) = (last_outcome IS NULL)),
    CHECK ((last_outcome = 'failed') = (last_error IS NOT NULL))
) STRICT;
CREATE INDEX schedules_by_tenant ON schedules (tenant_id, id);
CREATE INDEX schedules_by_slot ON schedules (next_slot) WHERE next_slot IS NOT NULL;

-- Programs that tenants registered, called as the kind `fn.NAME`. One that was deleted leaves its row:
-- its numbers are not given out again, so that the `fn.NAME@3` of a job never comes to mean another program.
CREATE TABLE functions (
    tenant_id  TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    -- For the order of lists.
    id         BLOB    NOT NULL CHECK (length(id) = 16),
    -- The version that `fn.NAME` means; null once it is deleted.
    live       INTEGER,
    -- The newest number that was given out.
    last       INTEGER NOT NULL CHECK (last >= 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, name),
    CHECK (live <= last)
) STRICT, WITHOUT ROWID;
CREATE INDEX functions_by_tenant ON functions (tenant_id, id) WHERE live IS NOT NULL;

-- Inserted and deleted, never updated.
CREATE TABLE function_versions (
    tenant_id  TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL CHECK (version > 0),
    -- As it was registered, with its program; read once by each process that runs it.
    definition TEXT    NOT NULL CHECK (json_valid(definition)),
    -- SHA-256 of the definition in canonical form.
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),
    language   TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, name, version)
) STRICT;

-- Written in the transaction in which a job dies; and for a message that came in and cannot be a
-- job: its letter names none until it is replayed. Runbooks query this table as it stands: keep
-- `resolved`, `original_subject` and their meaning.
CREATE TABLE dlq_messages (
    id               BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id        TEXT    NOT NULL,
    job_id           BLOB    CHECK (length(job_id) = 16),
    original_subject TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    -- Null for a message, and its kind and payload are as they came in.
    role             TEXT,
    payload          TEXT    NOT NULL CHECK (json_valid(payload)),
    error_code       TEXT    NOT NULL,
    error            TEXT    NOT NULL,
    attempts         INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    resolved         INTEGER NOT NULL DEFAULT 0 CHECK (resolved IN (0, 1)),
    resolution       TEXT    CHECK (resolution IN ('replayed', 'purged')),
    resolved_by      TEXT,
    resolved_at      INTEGER,
    CHECK (resolved = (resolved_at IS NOT NULL))
) STRICT;
CREATE INDEX dlq_by_tenant ON dlq_messages (tenant_id, id);
-- What is open is few among what was ever there, and is what everybody asks for.
CREATE INDEX dlq_open ON dlq_messages (tenant_id, id) WHERE NOT resolved;
-- Lists of dead jobs read it in the order of the jobs: no index on `jobs` may hold their state.
CREATE INDEX dlq_by_job ON dlq_messages (tenant_id, job_id);
-- For whoever removes those that were resolved long ago.
CREATE INDEX dlq_by_resolution ON dlq_messages (resolved_at) WHERE resolved;

-- Where a tenant wants its events sent.
CREATE TABLE webhook_endpoints (
    id               BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id        TEXT    NOT NULL,
    url              TEXT    NOT NULL,
    description      TEXT    NOT NULL DEFAULT '',
    -- Types of events: whole ones, `job.*`, or `*`.
    events           TEXT    NOT NULL CHECK (json_valid(events)),
    -- Kinds of jobs, none for all. Events that are about no job are not held back by it.
    kinds            TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(kinds)),
    format           TEXT    NOT NULL CHECK (format IN ('standard', 'cloudevents')),
    thin             INTEGER NOT NULL CHECK (thin IN (0, 1)),
    secret           BLOB    NOT NULL CHECK (length(secret) = 32),
    -- A secret that was replaced signs beside the new one until then.
    old_secret       BLOB    CHECK (length(old_secret) = 32),
    old_secret_until INTEGER,
    -- The first failure since the last success: an endpoint that fails for too long is disabled.
    failing_since    INTEGER,
    disabled_at      INTEGER,
    disabled_reason  TEXT    CHECK (disabled_reason IN ('asked', 'gone', 'failing')),
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    CHECK ((old_secret IS NULL) = (old_secret_until IS NULL)),
    CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
) STRICT;
CREATE INDEX webhook_endpoints_by_tenant ON webhook_endpoints (tenant_id, id);

-- One row a message to one receiver. What delivers it is a job of kind webhook.deliver with the
-- same id; how far it has come is that job's state.
CREATE TABLE webhook_deliveries (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id   TEXT    NOT NULL,
    -- Null where the receiver is a job's callback_url.
    endpoint_id BLOB    CHECK (length(endpoint_id) = 16),
    -- What the message is about, where it is about a job.
    job_id      BLOB    CHECK (length(job_id) = 16),
    event       TEXT    NOT NULL,
    -- The receiver's when the message was made; an endpoint's may have changed since.
    url         TEXT    NOT NULL,
    -- When the event happened.
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_deliveries_by_tenant ON webhook_deliveries (tenant_id, id);
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, id) WHERE endpoint_id IS NOT NULL;
CREATE INDEX webhook_deliveries_by_job ON webhook_deliveries (job_id) WHERE job_id IS NOT NULL;

-- Every attempt to deliver a message, and what the receiver answered.
CREATE TABLE webhook_attempts (
    message_id BLOB    NOT NULL,
    -- In the key and not the attempt, which starts anew when a delivery is replayed.
    run_lease  INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    url        TEXT    NOT NULL,
    status     INTEGER,
    latency_ms INTEGER NOT NULL,
    answer     TEXT,
    error      TEXT,
    at         INTEGER NOT NULL,
    PRIMARY KEY (message_id, run_lease)
) STRICT, WITHOUT ROWID;

-- What tenants may spend. Money is micro-USD. `reserved` is the sum of the reservations that are held or
-- unsettled, `spent` that of the ledger's rows of this turn. A tenant without a row has the defaults of the
-- configuration, and none is spent without one.
CREATE TABLE budget_limits (
    tenant_id    TEXT    NOT NULL PRIMARY KEY,
    -- Null stands for the default, here and of the period. Runbooks raise it as it stands.
    total_limit  INTEGER CHECK (total_limit >= 0),
    spent        INTEGER NOT NULL DEFAULT 0 CHECK (spent >= 0),
    reserved     INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    period       TEXT    CHECK (period IN ('day', 'month', 'none')),
    -- When the period began that `spent` is of. It turns with the first look at the account after its end.
    period_start INTEGER NOT NULL DEFAULT (unixepoch() * 1000000),
    -- Periods before this one; the ledger's rows name theirs.
    turn         INTEGER NOT NULL DEFAULT 0,
    -- The highest threshold that was told in this period (80 or 100 per cent), and of which limit.
    told         INTEGER NOT NULL DEFAULT 0,
    told_limit   INTEGER
) STRICT, WITHOUT ROWID;

-- What a job may cost with all below it, where its submission says so: made by its first reservation.
CREATE TABLE budget_trees (
    job_id    BLOB    NOT NULL PRIMARY KEY CHECK (length(job_id) = 16),
    tenant_id TEXT    NOT NULL,
    max_cost  INTEGER NOT NULL CHECK (max_cost >= 0),
    spent     INTEGER NOT NULL DEFAULT 0 CHECK (spent >= 0),
    reserved  INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0)
) STRICT, WITHOUT ROWID;

-- What one call may cost at worst, taken off the accounts before it is made.
CREATE TABLE budget_reservations (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id     TEXT    NOT NULL,
    job_id        BLOB    NOT NULL CHECK (length(job_id) = 16),
    step          TEXT    NOT NULL,
    reask         INTEGER NOT NULL,
    attempt       INTEGER NOT NULL,
    -- Of the run that asked for it last: no other may use it or give it back.
    run_lease     INTEGER NOT NULL,
    amount        INTEGER NOT NULL CHECK (amount >= 0),
    -- `released` as well while an account has no room for it.
    state         TEXT    NOT NULL CHECK (state IN ('held', 'unsettled', 'settled', 'released')),
    -- The accounts that it is on beside its tenant's: ids as hex.
    trees         TEXT    NOT NULL CHECK (json_valid(trees)),
    -- False once the job was put back to work with fresh attempts, which count from 1 again.
    current       INTEGER NOT NULL DEFAULT 1 CHECK (current IN (0, 1)),
    dispatched_at INTEGER,
    created_at    INTEGER NOT NULL,
    CHECK (state <> 'unsettled' OR dispatched_at IS NOT NULL)
) STRICT, WITHOUT ROWID;
-- A repetition of the same step of the same attempt gets the reservation that it got first.
CREATE UNIQUE INDEX budget_reservations_once ON budget_reservations (job_id, step, reask, attempt) WHERE current;
-- For whoever removes those of old jobs.
CREATE INDEX budget_reservations_by_job ON budget_reservations (job_id);
-- For those which nobody settled; few at any time.
CREATE INDEX budget_reservations_open ON budget_reservations (id) WHERE state IN ('held', 'unsettled');

-- Jobs that wait for money: each for so much of its tenant's budget. Few, and none where nobody is short.
CREATE TABLE budget_waits (
    job_id    BLOB    NOT NULL PRIMARY KEY CHECK (length(job_id) = 16),
    tenant_id TEXT    NOT NULL,
    need      INTEGER NOT NULL CHECK (need >= 0),
    since     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX budget_waits_by_tenant ON budget_waits (tenant_id, since, job_id);

-- What was spent: a row for each account that a settled reservation was on. What is old goes, but for the sum of what a
-- tenant spent in the period under way.
CREATE TABLE budget_ledger (
    reservation_id BLOB    NOT NULL,
    -- `tenant`, or the id of the job whose tree it is.
    account        TEXT    NOT NULL,
    tenant_id      TEXT    NOT NULL,
    job_id         BLOB    NOT NULL,
    -- Of the tenant's account.
    turn           INTEGER NOT NULL,
    amount         INTEGER NOT NULL CHECK (amount >= 0),
    at             INTEGER NOT NULL,
    PRIMARY KEY (reservation_id, account)
) STRICT, WITHOUT ROWID;
-- For whoever compares an account with what it sums up.
CREATE INDEX budget_ledger_by_turn ON budget_ledger (tenant_id, turn, amount) WHERE account = 'tenant';
-- For whoever removes what is old.
CREATE INDEX budget_ledger_by_age ON budget_ledger (at);

-- What an operator says of the breaker of a dependency, and who tries it on behalf of all.
CREATE TABLE circuit_breakers (
    name        TEXT    NOT NULL PRIMARY KEY,
    state       TEXT    CHECK (state IN ('forced_open', 'disabled')),
    -- Until when that holds: nobody's word holds for good.
    until       INTEGER,
    reason      TEXT,
    set_by      TEXT,
    -- The one process that may try a dependency that is open for all, until then.
    tried_by    BLOB    CHECK (length(tried_by) = 16),
    tried_until INTEGER,
    updated_at  INTEGER NOT NULL,
    CHECK (state IS NULL OR until IS NOT NULL AND reason IS NOT NULL AND set_by IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- The processes that find a dependency open. Each writes its own votes, when its own breaker changes: nothing here is
-- written or read by a call that goes well.
CREATE TABLE circuit_breaker_votes (
    name   TEXT    NOT NULL,
    voter  BLOB    NOT NULL CHECK (length(voter) = 16),
    -- Times it was opened in a row.
    opened INTEGER NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (name, voter)
) STRICT, WITHOUT ROWID;

-- Where each tenant's chain of audit entries ends; '' is the installation's own chain. No foreign key: a chain
-- outlives its tenant.
CREATE TABLE audit_chains (
    tenant_id TEXT    NOT NULL PRIMARY KEY,
    seq       INTEGER NOT NULL,
    hash      BLOB    NOT NULL CHECK (length(hash) = 32),
    -- The last of its heads that was signed, and since when entries wait for another; null where none does.
    signed_seq     INTEGER NOT NULL DEFAULT 0,
    unsigned_since INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_chains_unsigned ON audit_chains (unsigned_since) WHERE unsigned_since IS NOT NULL;

-- Who changed what and when: hash-chained per tenant, append-only by trigger, and never pruned. SQLite
-- has no TRUNCATE to guard against: a DELETE of everything runs the trigger, too. But
-- its INSERT OR REPLACE removes a row without asking the trigger on DELETE.
CREATE TABLE audit_log (
    tenant_id TEXT    NOT NULL,
    seq       INTEGER NOT NULL CHECK (seq > 0),
    -- In canonical form (RFC 8785), which the hash is over.
    payload   TEXT    NOT NULL CHECK (json_valid(payload)),
    prev_hash BLOB    NOT NULL CHECK (length(prev_hash) = 32),
    hash      BLOB    NOT NULL CHECK (length(hash) = 32),
    -- What lists are filtered by, as the payload has it.
    at        INTEGER NOT NULL,
    action    TEXT    NOT NULL,
    actor     TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, seq)
) STRICT;
CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'audit_log is append-only');
END;
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'audit_log is append-only');
END;

CREATE TRIGGER audit_log_no_replace BEFORE INSERT ON audit_log
WHEN EXISTS (SELECT 1 FROM audit_log WHERE tenant_id = NEW.tenant_id AND seq = NEW.seq)
BEGIN
    SELECT RAISE(ABORT, 'audit_log is append-only');
END;

-- What chains were when a holder of the key said so. The log has them as well, and with it whoever collects logs.
CREATE TABLE audit_heads (
    tenant_id TEXT    NOT NULL,
    seq       INTEGER NOT NULL,
    hash      BLOB    NOT NULL CHECK (length(hash) = 32),
    at        INTEGER NOT NULL,
    -- Ed25519.
    key       BLOB    NOT NULL CHECK (length(key) = 32),
    signature BLOB    NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (tenant_id, seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER audit_heads_no_update BEFORE UPDATE ON audit_heads
BEGIN
    SELECT RAISE(ABORT, 'audit_heads is append-only');
END;
CREATE TRIGGER audit_heads_no_delete BEFORE DELETE ON audit_heads
BEGIN
    SELECT RAISE(ABORT, 'audit_heads is append-only');
END;
-- INSERT OR REPLACE removes a row without asking the trigger above.
CREATE TRIGGER audit_heads_no_replace BEFORE INSERT ON audit_heads
WHEN EXISTS (SELECT 1 FROM audit_heads WHERE tenant_id = NEW.tenant_id AND seq = NEW.seq)
BEGIN
    SELECT RAISE(ABORT, 'audit_heads is append-only');
END;

-- A state change that someone listens to, written in its transaction: the job names a
-- callback_url, or its tenant is in `listeners`, or everybody's is. The relay moves it into `events`. The id
-- becomes that of the webhook message, so that receivers can tell repeats.
CREATE TABLE outbox (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id  TEXT    NOT NULL,
    -- What the event is about; null where it is about no job, and `data` tells of it.
    job_id     BLOB    CHECK (length(job_id) = 16),
    event      TEXT    NOT NULL,
    data       TEXT    CHECK (json_valid(data)),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The tenants that someone listens to, and until when: the end of time while there is an
-- endpoint that wants their events, a renewed lease while only streams are open. '' is every
-- tenant: a renewed lease while a broker takes what happens. Every end of a job asks here whether
-- to write to `outbox`, so it is a table of its own and mostly empty.
CREATE TABLE listeners (
    tenant_id TEXT    NOT NULL PRIMARY KEY,
    until     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What happened, in order, for a day: streams that were cut off go on from the number they
-- saw last. `seq` counts from 1 for each tenant, without gaps and in the order of commits.
CREATE TABLE events (
    tenant_id TEXT    NOT NULL,
    seq       INTEGER NOT NULL,
    id        BLOB    NOT NULL CHECK (length(id) = 16),
    job_id    BLOB    CHECK (length(job_id) = 16),
    event     TEXT    NOT NULL,
    data      TEXT    CHECK (json_valid(data)),
    at        INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, seq)
) STRICT, WITHOUT ROWID;
-- For whoever forgets the old ones.
CREATE INDEX events_by_age ON events (at);

-- The last number given out. Apart from `events`, whose rows are forgotten.
CREATE TABLE event_counters (
    tenant_id TEXT    NOT NULL PRIMARY KEY,
    last      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a broker has not taken yet. Written by the relay with the events it tells of, complete, so that
-- neither an event's nor a job's age can take it away; removed once the broker has said that it has it.
CREATE TABLE publications (
    -- Of the event or of the dead letter: by it the broker tells a repetition. In the order of time.
    id        BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id TEXT NOT NULL,
    -- Of the job; of what else there is, what stands before the dot of its event.
    kind      TEXT NOT NULL,
    -- What the event says that has come about; null for a dead letter.
    state     TEXT,
    job_id    BLOB CHECK (length(job_id) = 16),
    body      TEXT NOT NULL,
    -- As of the job that it is about.
    trace_context TEXT
) STRICT, WITHOUT ROWID;

-- The one state that users see.
CREATE VIEW job_view AS
SELECT j.id, j.tenant_id, j.kind, j.role,
       CASE WHEN r.id IS NOT NULL THEN 'running'
            WHEN q.id IS NOT NULL THEN 'queued'
            ELSE j.state END AS state,
       j.priority,
       j.attempt + CASE WHEN r.id IS NOT NULL THEN 1 ELSE 0 END AS attempt,
       j.max_attempts, j.timeout_ms, j.payload, j.result, j.checkpoint, j.progress, j.metadata,
       j.callback_url, j.parent_id, j.error_code, j.error_message, j.error_at,
       COALESCE(r.worker_id, j.worker_id) AS worker_id,
       COALESCE(r.cancel, 0) AS cancel_requested,
       j.run_at, j.created_at, COALESCE(r.started_at, j.started_at) AS started_at, j.finished_at,
       j.cost_micros, j.max_cost, j.trace_context
FROM jobs j
LEFT JOIN running r ON r.id = j.id
LEFT JOIN ready q ON q.id = j.id;

-- Deliveries as their owners see them: one status for the state of the job that delivers.
CREATE VIEW delivery_view AS
SELECT d.id, d.tenant_id, d.endpoint_id, d.job_id, d.event, d.url, d.created_at,
       CASE v.state WHEN 'succeeded' THEN 'delivered'
                    WHEN 'dead' THEN 'failed'
                    WHEN 'cancelled' THEN 'cancelled'
                    ELSE 'pending' END AS status,
       v.attempt, v.max_attempts, v.run_at, v.finished_at, v.error_code, v.error_message,
       v.error_at
FROM webhook_deliveries d
JOIN job_view v ON v.id = d.id;
