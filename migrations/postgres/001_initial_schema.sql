-- Golden's tables. The store is the truth: every decision about a job is one
-- transaction over these, and whatever else carries messages is only a hint.
--
-- `jobs` is the record: inserted once, updated when a run ends. What churns is
-- narrow and beside it: `ready` (may be claimed, in claim order), `scheduled`
-- (due later) and `running` (who holds which run under which lease). A job that
-- is not terminal is in exactly one of these, or waits; one transaction moves it.

-- Ids that sort by time (RFC 9562, version 7), for rows made inside a statement.
CREATE FUNCTION uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                    PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                    FROM 1 FOR 6),
            52, 1), 53, 1),
        'hex')::uuid
$$;

-- A tenant appears with its first job. Jobs carry no foreign key to it: the
-- check would lock this one row for every insert of the tenant.
CREATE TABLE tenants (
    id              text        PRIMARY KEY,
    -- Its share of a role's capacity, in proportion to those of the others who have work there.
    weight          integer     NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
    -- The longest payload and result of its jobs, in bytes; null stands for the default.
    max_payload     bigint      CHECK (max_payload > 0),
    max_result      bigint      CHECK (max_result > 0),
    -- The most that a program of its may use, each limit where it has one.
    sandbox_limits  json        NOT NULL DEFAULT '{}',
    suspended_at    timestamptz,
    -- Signs the webhooks of jobs that carry a callback_url (Standard Webhooks).
    callback_secret bytea       NOT NULL CHECK (length(callback_secret) = 32),
    -- One that was replaced signs beside the new one until then.
    old_callback_secret bytea   CHECK (length(old_callback_secret) = 32),
    old_callback_until  timestamptz,
    created_at      timestamptz NOT NULL,
    CHECK ((old_callback_secret IS NULL) = (old_callback_until IS NULL))
);

CREATE TABLE jobs (
    id               uuid        PRIMARY KEY,
    tenant_id        text        NOT NULL,
    kind             text        NOT NULL,
    role             text        NOT NULL
        CHECK (role IN ('orchestrator', 'peer-hub', 'sandbox', 'supervisor', 'webhook')),
    -- The state as of the last write to this row. A claim does not write here:
    -- `job_view` lays `running` and `ready` over it and shows one state.
    state            text        NOT NULL
        CHECK (state IN ('queued', 'scheduled', 'retrying', 'waiting', 'succeeded', 'dead', 'cancelled')),
    priority         smallint    NOT NULL CHECK (priority BETWEEN 0 AND 9),
    -- Runs that spent an attempt. The run under way, if any, is attempt + 1.
    attempt          integer     NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    max_attempts     integer     NOT NULL CHECK (max_attempts >= 1),
    -- Workers lost in a row. Three end the job whatever max_attempts says.
    lost             integer     NOT NULL DEFAULT 0,
    timeout_ms       bigint      NOT NULL CHECK (timeout_ms > 0),
    -- json, not jsonb: the text is kept as it came, parsed only by who reads it. jsonb also refuses
    -- what JSON allows (\u0000, half of a surrogate pair), and with it the batch that holds it.
    payload          json        NOT NULL,
    result           json,
    checkpoint       json,
    progress         json,
    metadata         json,
    callback_url     text,
    parent_id        uuid,
    -- The W3C traceparent that its runs go on from, and after a space the tracestate if there is one.
    trace_context    text,
    -- Children not yet ended, while this job waits for them.
    pending_children integer     NOT NULL DEFAULT 0 CHECK (pending_children >= 0),
    -- Whether the end of this job is counted off its parent's pending_children. A job that
    -- is put back to work after its end was counted once, so it is cleared then.
    awaited          boolean     NOT NULL DEFAULT false,
    error_code       text,
    error_message    text,
    error_at         timestamptz,
    worker_id        uuid,
    run_at           timestamptz NOT NULL,
    created_at       timestamptz NOT NULL,
    started_at       timestamptz,
    finished_at      timestamptz,
    -- What its own runs spent, and what it may cost at most with all jobs below it. Micro-USD.
    cost_micros      bigint      NOT NULL DEFAULT 0,
    max_cost         bigint      CHECK (max_cost >= 0),
    CHECK ((state IN ('succeeded', 'dead', 'cancelled')) = (finished_at IS NOT NULL))
) WITH (fillfactor = 85); -- Room for the one update of a run's end to stay on its page.

-- Lists are by tenant, newest first; ids are UUIDv7 and so sort by time. No index
-- holds a column that a run's end changes, so that update touches no index (HOT).
CREATE INDEX jobs_by_tenant ON jobs (tenant_id, id);
CREATE INDEX jobs_by_parent ON jobs (parent_id, id) WHERE parent_id IS NOT NULL;

-- Claim order: urgency (0 first), then the fair-queueing tag, then age. Rows come in by
-- make_ready() alone, which gives them their tag.
CREATE TABLE ready (
    role      text     NOT NULL,
    priority  smallint NOT NULL,
    fair_tag  bigint   NOT NULL,
    id        uuid     NOT NULL UNIQUE,
    tenant_id text     NOT NULL,
    -- Held back while its queue is gated (see `queues`): not to be claimed.
    parked    boolean  NOT NULL DEFAULT false,
    -- Let through a gated queue by admit().
    admitted  boolean  NOT NULL DEFAULT false
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX ready_in_claim_order ON ready (role, priority, fair_tag, id) WHERE NOT parked;
-- Empty unless queues are gated.
CREATE INDEX ready_parked ON ready (role, tenant_id, priority, id) WHERE parked;
CREATE INDEX ready_admitted ON ready (role, tenant_id) WHERE admitted;
-- For the lists of deliveries that are pending; nothing is written to it for other jobs.
CREATE INDEX ready_webhooks ON ready (tenant_id, id) WHERE role = 'webhook';

-- Apart from `ready`, so that claims never step over rows of the future. A tenant's lists read its
-- own stretch of the key.
CREATE TABLE scheduled (
    id        uuid        NOT NULL,
    run_at    timestamptz NOT NULL,
    role      text        NOT NULL,
    priority  smallint    NOT NULL,
    tenant_id text        NOT NULL,
    PRIMARY KEY (tenant_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX scheduled_by_due ON scheduled (run_at);

-- The fence. Every claim takes a new, ever-growing run_lease, and whatever a run
-- writes names it: a late worker finds no row and changes nothing. There is no
-- index on worker_id: the planner would take it for the finish (measured: a third
-- of the speed), and rescue, which needs it, is rare and the table small.
CREATE SEQUENCE run_lease_seq AS bigint;
CREATE TABLE running (
    id         uuid        PRIMARY KEY,
    run_lease  bigint      NOT NULL DEFAULT nextval('run_lease_seq'),
    worker_id  uuid        NOT NULL,
    role       text        NOT NULL,
    tenant_id  text        NOT NULL,
    cancel     boolean     NOT NULL DEFAULT false,
    started_at timestamptz NOT NULL
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_cost_delay = 0);

-- Until when jobs wait at the latest, where their last run said so. A row may outlive its wait: it goes when its time
-- has come, and makes no later wait of the job shorter.
CREATE TABLE waits (
    job_id     uuid        PRIMARY KEY,
    -- When the run began that said so, as in `jobs`: a run that comes later says for itself.
    started_at timestamptz NOT NULL,
    until      timestamptz NOT NULL
);
CREATE INDEX waits_by_time ON waits (until);

-- One row a run that did not succeed. A success is told by the job's own row, so
-- that the common case writes nothing here.
CREATE TABLE job_attempts (
    job_id        uuid        NOT NULL,
    run_lease     bigint      NOT NULL,
    attempt       integer     NOT NULL,
    outcome       text        NOT NULL,
    error_code    text,
    error_message text,
    worker_id     uuid,
    started_at    timestamptz NOT NULL,
    finished_at   timestamptz NOT NULL,
    PRIMARY KEY (job_id, run_lease)
);

-- What runs wrote for those who read along. Rows come in batches and only from runs that
-- still hold their lease; a job that writes nothing has none. `seq` counts from 1 within the
-- job and has no gaps, so that a reader who has seen one knows where to go on.
CREATE TABLE job_logs (
    job_id    uuid        NOT NULL,
    seq       bigint      NOT NULL CHECK (seq > 0),
    run_lease bigint      NOT NULL,
    attempt   integer     NOT NULL,
    -- `system` is Golden's own, such as that the rest was cut off.
    stream    text        NOT NULL CHECK (stream IN ('log', 'stdout', 'stderr', 'system')),
    at        timestamptz NOT NULL,
    text      text        NOT NULL,
    PRIMARY KEY (job_id, seq)
);

-- One row a worker process and one update a heartbeat, however many jobs it holds.
CREATE TABLE workers (
    id           uuid        PRIMARY KEY,
    host         text        NOT NULL,
    pid          bigint      NOT NULL,
    roles        text[]      NOT NULL,
    -- Runs at once at most in the pool of each of these roles, in the same order.
    capacities   integer[]   NOT NULL,
    version      text        NOT NULL,
    started_at   timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL,
    -- Since when it is asked to drain: to claim nothing more, and to end once nothing runs.
    draining_at  timestamptz,
    CHECK (cardinality(roles) = cardinality(capacities))
);

-- The answer to "has this request been accepted before?", written with the job.
CREATE TABLE idempotency_keys (
    tenant_id   text        NOT NULL,
    route       text        NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL,
    job_id      uuid        NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, route, key)
);
-- For whoever forgets the old ones.
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- Chores that one worker at a time does for all, and until when it is whose turn.
CREATE TABLE turns (
    chore     text        PRIMARY KEY,
    worker_id uuid        NOT NULL,
    until     timestamptz NOT NULL
);

-- A queue is a tenant's share of a role; tenant_id '' stands for the role itself.
CREATE TABLE queues (
    role        text        NOT NULL,
    tenant_id   text        NOT NULL,
    -- A paused queue takes jobs and gives none out.
    paused      boolean     NOT NULL DEFAULT false,
    paused_by   text,
    paused_at   timestamptz,
    -- Quotas of the tenant in this role; null is none.
    max_running integer     CHECK (max_running > 0),
    max_queued  bigint      CHECK (max_queued > 0),
    -- Whether what comes in is parked until admit() lets it through: while the queue is paused
    -- or has a max_running, and until what was parked then is through.
    gated       boolean     NOT NULL DEFAULT false,
    -- Whether jobs may be left in claim order that were there when the gate closed.
    unswept     boolean     NOT NULL DEFAULT false,
    -- When the gate was last moved; null once nothing can be left behind an open one.
    gate_moved_at timestamptz,
    -- Of the jobs that ever arrived (see `lines`), how many were gone when they were last counted: the
    -- difference bounds the queue from above without counting it again.
    gone        bigint      NOT NULL DEFAULT 0,
    counted_at  timestamptz,
    PRIMARY KEY (role, tenant_id),
    CHECK (gated OR NOT paused AND max_running IS NULL OR tenant_id = ''),
    CHECK (NOT gated OR gate_moved_at IS NOT NULL)
);
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
    role          text     NOT NULL,
    -- '' is the role's own: its tag is the one claimed last.
    tenant_id     text     NOT NULL,
    priority      smallint NOT NULL,
    -- Where the line of new jobs ends, and that of jobs which come back from a worker: these need not
    -- queue behind their tenant's backlog, and have no more than another tenant's share for it.
    tag           bigint   NOT NULL DEFAULT 0,
    returning_tag bigint   NOT NULL DEFAULT 0,
    -- Jobs that ever joined it.
    arrived       bigint   NOT NULL DEFAULT 0,
    PRIMARY KEY (role, tenant_id, priority)
) WITH (fillfactor = 50); -- Narrow and updated with every batch: room for that on its page.
INSERT INTO lines (role, tenant_id, priority)
SELECT role, '', priority FROM queues CROSS JOIN generate_series(0, 9) AS p(priority);

-- Jobs submitted by the clock. A slot is dealt with once: whoever does so names the revision it has read,
-- leaves the next one, and records the job in the same transaction. Slots of a schedule only ever grow.
CREATE TABLE schedules (
    id           uuid        PRIMARY KEY,
    tenant_id    text        NOT NULL,
    name         text        NOT NULL,
    cron         text        NOT NULL,
    time_zone    text        NOT NULL,
    catch_up     text        NOT NULL CHECK (catch_up IN ('skip', 'one')),
    -- In the form of POST /v1/jobs, with every default filled in.
    submission   json        NOT NULL,
    revision     bigint      NOT NULL DEFAULT 1,
    -- Null while the schedule is paused.
    next_slot    timestamptz,
    last_slot    timestamptz,
    last_outcome text        CHECK (last_outcome IN ('fired', 'skipped', 'failed')),
    last_error   text,
    -- Of the last slot that fired, which may be an earlier one.
    last_job_id  uuid,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    UNIQUE (tenant_id, name),
    CHECK (last_slot < next_slot),
    CHECK ((last_slot IS NULL) = (last_outcome IS NULL)),
    CHECK ((last_outcome = 'failed') = (last_error IS NOT NULL))
);
CREATE INDEX schedules_by_tenant ON schedules (tenant_id, id);
CREATE INDEX schedules_by_slot ON schedules (next_slot) WHERE next_slot IS NOT NULL;

-- Programs that tenants registered, called as the kind `fn.NAME`. One that was deleted leaves its row:
-- its numbers are not given out again, so that the `fn.NAME@3` of a job never comes to mean another program.
CREATE TABLE functions (
    tenant_id  text        NOT NULL,
    name       text        NOT NULL,
    -- For the order of lists.
    id         uuid        NOT NULL,
    -- The version that `fn.NAME` means; null once it is deleted.
    live       integer,
    -- The newest number that was given out.
    last       integer     NOT NULL CHECK (last >= 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name),
    CHECK (live <= last)
);
CREATE INDEX functions_by_tenant ON functions (tenant_id, id) WHERE live IS NOT NULL;

-- Inserted and deleted, never updated.
CREATE TABLE function_versions (
    tenant_id  text        NOT NULL,
    name       text        NOT NULL,
    version    integer     NOT NULL CHECK (version > 0),
    -- As it was registered, with its program; read once by each process that runs it.
    definition json        NOT NULL,
    -- SHA-256 of the definition in canonical form.
    digest     bytea       NOT NULL CHECK (length(digest) = 32),
    language   text        NOT NULL,
    size       bigint      NOT NULL,
    created_by text        NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name, version)
);

-- Written in the transaction in which a job dies; and for a message that came in and cannot be a
-- job: its letter names none until it is replayed. Runbooks query this table as it stands: keep
-- `resolved`, `original_subject` and their meaning.
CREATE TABLE dlq_messages (
    id               uuid        PRIMARY KEY,
    tenant_id        text        NOT NULL,
    job_id           uuid,
    original_subject text        NOT NULL,
    kind             text        NOT NULL,
    -- Null for a message, and its kind and payload are as they came in.
    role             text,
    payload          json        NOT NULL,
    error_code       text        NOT NULL,
    error            text        NOT NULL,
    attempts         integer     NOT NULL,
    created_at       timestamptz NOT NULL,
    resolved         boolean     NOT NULL DEFAULT false,
    resolution       text        CHECK (resolution IN ('replayed', 'purged')),
    resolved_by      text,
    resolved_at      timestamptz,
    CHECK (resolved = (resolved_at IS NOT NULL))
);
CREATE INDEX dlq_by_tenant ON dlq_messages (tenant_id, id);
-- What is open is few among what was ever there, and is what everybody asks for.
CREATE INDEX dlq_open ON dlq_messages (tenant_id, id) WHERE NOT resolved;
-- Lists of dead jobs read it in the order of the jobs: no index on `jobs` may hold their state.
CREATE INDEX dlq_by_job ON dlq_messages (tenant_id, job_id);
-- For whoever removes those that were resolved long ago.
CREATE INDEX dlq_by_resolution ON dlq_messages (resolved_at) WHERE resolved;

-- Where a tenant wants its events sent.
CREATE TABLE webhook_endpoints (
    id               uuid        PRIMARY KEY,
    tenant_id        text        NOT NULL,
    url              text        NOT NULL,
    description      text        NOT NULL DEFAULT '',
    -- Types of events: whole ones, `job.*`, or `*`.
    events           text[]      NOT NULL,
    -- Kinds of jobs, none for all. Events that are about no job are not held back by it.
    kinds            text[]      NOT NULL DEFAULT '{}',
    format           text        NOT NULL CHECK (format IN ('standard', 'cloudevents')),
    thin             boolean     NOT NULL,
    secret           bytea       NOT NULL CHECK (length(secret) = 32),
    -- A secret that was replaced signs beside the new one until then.
    old_secret       bytea       CHECK (length(old_secret) = 32),
    old_secret_until timestamptz,
    -- The first failure since the last success: an endpoint that fails for too long is disabled.
    failing_since    timestamptz,
    disabled_at      timestamptz,
    disabled_reason  text        CHECK (disabled_reason IN ('asked', 'gone', 'failing')),
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    CHECK ((old_secret IS NULL) = (old_secret_until IS NULL)),
    CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);
CREATE INDEX webhook_endpoints_by_tenant ON webhook_endpoints (tenant_id, id);

-- One row a message to one receiver. What delivers it is a job of kind webhook.deliver with the
-- same id; how far it has come is that job's state.
CREATE TABLE webhook_deliveries (
    id          uuid        PRIMARY KEY,
    tenant_id   text        NOT NULL,
    -- Null where the receiver is a job's callback_url.
    endpoint_id uuid,
    -- What the message is about, where it is about a job.
    job_id      uuid,
    event       text        NOT NULL,
    -- The receiver's when the message was made; an endpoint's may have changed since.
    url         text        NOT NULL,
    -- When the event happened.
    created_at  timestamptz NOT NULL
);
CREATE INDEX webhook_deliveries_by_tenant ON webhook_deliveries (tenant_id, id);
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, id) WHERE endpoint_id IS NOT NULL;
CREATE INDEX webhook_deliveries_by_job ON webhook_deliveries (job_id) WHERE job_id IS NOT NULL;

-- Every attempt to deliver a message, and what the receiver answered.
CREATE TABLE webhook_attempts (
    message_id uuid        NOT NULL,
    -- In the key and not the attempt, which starts anew when a delivery is replayed.
    run_lease  bigint      NOT NULL,
    attempt    integer     NOT NULL,
    url        text        NOT NULL,
    status     integer,
    latency_ms bigint      NOT NULL,
    answer     text,
    error      text,
    at         timestamptz NOT NULL,
    PRIMARY KEY (message_id, run_lease)
);

-- What tenants may spend. Money is micro-USD. `reserved` is the sum of the reservations that are held or
-- unsettled, `spent` that of the ledger's rows of this turn. Every change of an account holds its row. A tenant
-- without a row has the defaults of the configuration, and none is spent without one.
CREATE TABLE budget_limits (
    tenant_id    text        PRIMARY KEY,
    -- Null stands for the default, here and of the period. Runbooks raise it as it stands.
    total_limit  bigint      CHECK (total_limit >= 0),
    spent        bigint      NOT NULL DEFAULT 0 CHECK (spent >= 0),
    reserved     bigint      NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    period       text        CHECK (period IN ('day', 'month', 'none')),
    -- When the period began that `spent` is of. It turns with the first look at the account after its end.
    period_start timestamptz NOT NULL DEFAULT now(),
    -- Periods before this one; the ledger's rows name theirs.
    turn         bigint      NOT NULL DEFAULT 0,
    -- The highest threshold that was told in this period (80 or 100 per cent), and of which limit.
    told         smallint    NOT NULL DEFAULT 0,
    told_limit   bigint
) WITH (fillfactor = 50);

-- What a job may cost with all below it, where its submission says so: made by its first reservation.
CREATE TABLE budget_trees (
    job_id    uuid   PRIMARY KEY,
    tenant_id text   NOT NULL,
    max_cost  bigint NOT NULL CHECK (max_cost >= 0),
    spent     bigint NOT NULL DEFAULT 0 CHECK (spent >= 0),
    reserved  bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0)
) WITH (fillfactor = 50);

-- What one call may cost at worst, taken off the accounts before it is made.
CREATE TABLE budget_reservations (
    id            uuid        PRIMARY KEY,
    tenant_id     text        NOT NULL,
    job_id        uuid        NOT NULL,
    step          text        NOT NULL,
    reask         integer     NOT NULL,
    attempt       integer     NOT NULL,
    -- Of the run that asked for it last: no other may use it or give it back.
    run_lease     bigint      NOT NULL,
    amount        bigint      NOT NULL CHECK (amount >= 0),
    -- `released` as well while an account has no room for it.
    state         text        NOT NULL CHECK (state IN ('held', 'unsettled', 'settled', 'released')),
    -- The accounts that it is on beside its tenant's.
    trees         uuid[]      NOT NULL,
    -- False once the job was put back to work with fresh attempts, which count from 1 again.
    current       boolean     NOT NULL DEFAULT true,
    dispatched_at timestamptz,
    created_at    timestamptz NOT NULL,
    CHECK (state <> 'unsettled' OR dispatched_at IS NOT NULL)
);
-- A repetition of the same step of the same attempt gets the reservation that it got first.
CREATE UNIQUE INDEX budget_reservations_once ON budget_reservations (job_id, step, reask, attempt) WHERE current;
-- For whoever removes those of old jobs.
CREATE INDEX budget_reservations_by_job ON budget_reservations (job_id);
-- For those which nobody settled; few at any time.
CREATE INDEX budget_reservations_open ON budget_reservations (id) WHERE state IN ('held', 'unsettled');

-- Jobs that wait for money: each for so much of its tenant's budget. Few, and none where nobody is short.
CREATE TABLE budget_waits (
    job_id    uuid        PRIMARY KEY,
    tenant_id text        NOT NULL,
    need      bigint      NOT NULL CHECK (need >= 0),
    since     timestamptz NOT NULL
);
CREATE INDEX budget_waits_by_tenant ON budget_waits (tenant_id, since, job_id);

-- What was spent: a row for each account that a settled reservation was on. What is old goes, but for the sum of what a
-- tenant spent in the period under way.
CREATE TABLE budget_ledger (
    reservation_id uuid        NOT NULL,
    -- `tenant`, or the id of the job whose tree it is.
    account        text        NOT NULL,
    tenant_id      text        NOT NULL,
    job_id         uuid        NOT NULL,
    -- Of the tenant's account.
    turn           bigint      NOT NULL,
    amount         bigint      NOT NULL CHECK (amount >= 0),
    at             timestamptz NOT NULL,
    PRIMARY KEY (reservation_id, account)
);
-- For whoever compares an account with what it sums up.
CREATE INDEX budget_ledger_by_turn ON budget_ledger (tenant_id, turn) INCLUDE (amount) WHERE account = 'tenant';
-- For whoever removes what is old.
CREATE INDEX budget_ledger_by_age ON budget_ledger (at);

-- What an operator says of the breaker of a dependency, and who tries it on behalf of all.
CREATE TABLE circuit_breakers (
    name        text        PRIMARY KEY,
    state       text        CHECK (state IN ('forced_open', 'disabled')),
    -- Until when that holds: nobody's word holds for good.
    until       timestamptz,
    reason      text,
    set_by      text,
    -- The one process that may try a dependency that is open for all, until then.
    tried_by    uuid,
    tried_until timestamptz,
    updated_at  timestamptz NOT NULL,
    CHECK (state IS NULL OR until IS NOT NULL AND reason IS NOT NULL AND set_by IS NOT NULL)
);

-- The processes that find a dependency open. Each writes its own votes, when its own breaker changes: nothing here is
-- written or read by a call that goes well.
CREATE TABLE circuit_breaker_votes (
    name   text        NOT NULL,
    voter  uuid        NOT NULL,
    -- Times it was opened in a row.
    opened integer     NOT NULL,
    until  timestamptz NOT NULL,
    PRIMARY KEY (name, voter)
);

-- Where each tenant's chain of audit entries ends. Whoever adds to it holds this row until the commit, so that entries
-- are numbered without gaps; only acts of one tenant that are audited wait for each other. '' is the installation's
-- own chain. No foreign key: a chain outlives its tenant.
CREATE TABLE audit_chains (
    tenant_id text   PRIMARY KEY,
    seq       bigint NOT NULL,
    hash      bytea  NOT NULL CHECK (length(hash) = 32),
    -- The last of its heads that was signed, and since when entries wait for another; null where none does.
    signed_seq     bigint NOT NULL DEFAULT 0,
    unsigned_since timestamptz
) WITH (fillfactor = 50);
CREATE INDEX audit_chains_unsigned ON audit_chains (unsigned_since) WHERE unsigned_since IS NOT NULL;

-- Who changed what and when: hash-chained per tenant, append-only by trigger, and never pruned.
CREATE TABLE audit_log (
    tenant_id text        NOT NULL,
    seq       bigint      NOT NULL CHECK (seq > 0),
    -- In canonical form (RFC 8785), which the hash is over: json keeps the text as it is.
    payload   json        NOT NULL,
    prev_hash bytea       NOT NULL CHECK (length(prev_hash) = 32),
    hash      bytea       NOT NULL CHECK (length(hash) = 32),
    -- What lists are filtered by, as the payload has it.
    at        timestamptz NOT NULL,
    action    text        NOT NULL,
    actor     text        NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);
CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();

-- What chains were when a holder of the key said so. The log has them as well, and with it whoever collects logs.
CREATE TABLE audit_heads (
    tenant_id text        NOT NULL,
    seq       bigint      NOT NULL,
    hash      bytea       NOT NULL CHECK (length(hash) = 32),
    at        timestamptz NOT NULL,
    -- Ed25519.
    key       bytea       NOT NULL CHECK (length(key) = 32),
    signature bytea       NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (tenant_id, seq)
);
CREATE TRIGGER audit_heads_append_only BEFORE UPDATE OR DELETE ON audit_heads
    FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only();
CREATE TRIGGER audit_heads_no_truncate BEFORE TRUNCATE ON audit_heads
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();

-- A state change that someone listens to, written in its transaction: the job names a
-- callback_url, or its tenant is in `listeners`, or everybody's is. The relay moves it into `events`. The id
-- becomes that of the webhook message, so that receivers can tell repeats.
CREATE TABLE outbox (
    id         uuid        PRIMARY KEY,
    tenant_id  text        NOT NULL,
    -- What the event is about; null where it is about no job, and `data` tells of it.
    job_id     uuid,
    event      text        NOT NULL,
    data       json,
    created_at timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

-- The tenants that someone listens to, and until when: 'infinity' while there is an endpoint
-- that wants their events, a renewed lease while only streams are open. '' is every tenant: a
-- renewed lease while a broker takes what happens. Every end of a job asks here whether to write
-- to `outbox`, so it is a table of its own and mostly empty.
CREATE TABLE listeners (
    tenant_id text        PRIMARY KEY,
    until     timestamptz NOT NULL
);

-- What happened, in order, for a day: streams that were cut off go on from the number they
-- saw last. `seq` counts from 1 for each tenant, without gaps and in the order of commits,
-- since one relay at a time gives numbers out.
CREATE TABLE events (
    tenant_id text        NOT NULL,
    seq       bigint      NOT NULL,
    id        uuid        NOT NULL,
    job_id    uuid,
    event     text        NOT NULL,
    data      json,
    at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
-- For whoever forgets the old ones.
CREATE INDEX events_by_age ON events (at);

-- The last number given out. Apart from `events`, whose rows are forgotten.
CREATE TABLE event_counters (
    tenant_id text   PRIMARY KEY,
    last      bigint NOT NULL
) WITH (fillfactor = 50);

-- What a broker has not taken yet. Written by the relay with the events it tells of, complete, so that
-- neither an event's nor a job's age can take it away; removed once the broker has said that it has it.
CREATE TABLE publications (
    -- Of the event or of the dead letter: by it the broker tells a repetition. In the order of time.
    id        uuid PRIMARY KEY,
    tenant_id text NOT NULL,
    -- Of the job; of what else there is, what stands before the dot of its event.
    kind      text NOT NULL,
    -- What the event says that has come about; null for a dead letter.
    state     text,
    job_id    uuid,
    body      text NOT NULL,
    -- As of the job that it is about.
    trace_context text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

-- How far a job moves its line on. Weights are at most 1000, so that a hundred is left for them.
CREATE FUNCTION tag_step(weight integer) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT 100000::bigint / weight
$$;

-- Makes jobs claimable, or parks them where their queue is gated. Answers whether any was parked.
--
-- New jobs move their tenant's line on, whose row they hold until the commit; all take lines in one
-- order. Jobs that are `returning` from a worker never wait for a line: their transaction holds
-- other rows, and whoever has the line may want those. If it is taken they only read it.
CREATE FUNCTION make_ready(ids uuid[], roles text[], tenants text[], priorities smallint[], returning_ boolean)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    g record;
    clock bigint;
    step bigint;
    start bigint;
    gate boolean;
    any_parked boolean := false;
BEGIN
    FOR g IN
        SELECT j.role, j.tenant_id, j.priority, count(*) AS jobs, array_agg(j.id ORDER BY j.id) AS ids
        FROM unnest(ids, roles, tenants, priorities) AS j(id, role, tenant_id, priority)
        GROUP BY j.role, j.tenant_id, j.priority
        ORDER BY j.role COLLATE "C", j.tenant_id COLLATE "C", j.priority
    LOOP
        gate := EXISTS (SELECT 1 FROM queues q WHERE q.role = g.role AND q.tenant_id = g.tenant_id AND q.gated);
        any_parked := any_parked OR gate;
        -- Who is parked is charged when it is let through.
        step := CASE WHEN gate THEN 0
                ELSE tag_step(COALESCE((SELECT weight FROM tenants WHERE id = g.tenant_id), 1)) END;
        SELECT tag INTO clock FROM lines l WHERE l.role = g.role AND l.tenant_id = '' AND l.priority = g.priority;
        IF NOT returning_ THEN
            INSERT INTO lines AS l (role, tenant_id, priority, tag, arrived)
            VALUES (g.role, g.tenant_id, g.priority, clock + g.jobs * step, g.jobs)
            ON CONFLICT (role, tenant_id, priority) DO UPDATE
            SET tag = CASE WHEN gate THEN l.tag ELSE greatest(l.tag, clock) + g.jobs * step END,
                arrived = l.arrived + g.jobs
            RETURNING l.tag - g.jobs * step INTO start;
        ELSE
            UPDATE lines l SET returning_tag = greatest(l.returning_tag, clock) + g.jobs * step
            WHERE l.ctid = ANY (ARRAY (
                SELECT ctid FROM lines f
                WHERE f.role = g.role AND f.tenant_id = g.tenant_id AND f.priority = g.priority
                FOR UPDATE SKIP LOCKED))
            RETURNING l.returning_tag - g.jobs * step INTO start;
            IF NOT FOUND THEN
                SELECT max(l.returning_tag) INTO start FROM lines l
                WHERE l.role = g.role AND l.tenant_id = g.tenant_id AND l.priority = g.priority;
                start := greatest(start, clock);
            END IF;
        END IF;
        INSERT INTO ready (role, priority, fair_tag, id, tenant_id, parked)
        SELECT g.role, g.priority, start + (n - 1) * step, id, g.tenant_id, gate
        FROM unnest(g.ids) WITH ORDINALITY AS i(id, n);
    END LOOP;
    RETURN any_parked;
END $$;

-- Parks what was ready when gates of a role closed, up to `most` jobs in one look at the role's;
-- claims pass over it already. Answers how many. A queue counts as swept once a look finds nothing, a
-- minute or more after the last transaction that may have missed the gate began.
CREATE FUNCTION park(of_role text, most bigint, at_time timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    unswept_ text[];
    paused_ text[];
    parked_ bigint;
BEGIN
    SELECT array_agg(tenant_id), COALESCE(array_agg(tenant_id) FILTER (WHERE paused), '{}') INTO unswept_, paused_
    FROM queues WHERE role = of_role AND gate_moved_at IS NOT NULL AND gated AND unswept;
    IF unswept_ IS NULL THEN
        RETURN 0;
    END IF;
    UPDATE ready SET parked = true, admitted = false
    WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM ready
        WHERE role = of_role AND NOT parked AND tenant_id = ANY (unswept_)
          AND (NOT admitted OR tenant_id = ANY (paused_))
        LIMIT most FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS parked_ = ROW_COUNT;
    IF parked_ = 0 THEN
        UPDATE queues SET unswept = false
        WHERE role = of_role AND tenant_id = ANY (unswept_) AND gate_moved_at <= at_time - interval '1 minute';
    END IF;
    RETURN parked_;
END $$;

-- Lets parked jobs of one role through, as far as their queues allow, up to `most` in all, and
-- charges them. Takes back what was let through beyond a quota. Answers how many came through.
--
-- One at a time for a role, so that nobody's count is older than another's admission. A gate opens
-- when nothing is left behind it; a transaction that began before may still park a job just then,
-- which is why the queue is looked at for a minute more.
CREATE FUNCTION admit(of_role text, most bigint, at_time timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    q record;
    g record;
    room bigint;
    start bigint;
    moved bigint := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('golden.admit'), hashtext(of_role));
    FOR q IN
        SELECT w.tenant_id, w.paused, w.max_running, w.gated, w.gate_moved_at,
               tag_step(COALESCE(t.weight, 1)) AS step, COALESCE(a.jobs, 0) AS admitted, COALESCE(r.jobs, 0) AS running
        FROM queues w
        LEFT JOIN tenants t ON t.id = w.tenant_id
        LEFT JOIN (SELECT tenant_id, count(*) AS jobs FROM ready WHERE role = of_role AND admitted GROUP BY 1) a
            ON a.tenant_id = w.tenant_id
        LEFT JOIN (SELECT tenant_id, count(*) AS jobs FROM running WHERE role = of_role GROUP BY 1) r
            ON r.tenant_id = w.tenant_id
        WHERE w.role = of_role AND w.gate_moved_at IS NOT NULL
    LOOP
        CONTINUE WHEN q.paused;
        room := least(most - moved, q.max_running - q.admitted - q.running);
        IF room < 0 THEN
            UPDATE ready SET parked = true, admitted = false
            WHERE id = ANY (ARRAY (
                SELECT id FROM ready WHERE role = of_role AND tenant_id = q.tenant_id AND admitted
                ORDER BY priority DESC, fair_tag DESC, id DESC LIMIT -room FOR UPDATE SKIP LOCKED));
        END IF;
        IF room > 0 THEN
            FOR g IN
                SELECT n.priority, count(*) AS jobs, array_agg(n.id ORDER BY n.id) AS ids
                FROM (SELECT id, priority FROM ready
                      WHERE role = of_role AND tenant_id = q.tenant_id AND parked
                      ORDER BY priority, id LIMIT room FOR UPDATE SKIP LOCKED) n
                GROUP BY n.priority ORDER BY n.priority
            LOOP
                INSERT INTO lines AS l (role, tenant_id, priority, tag)
                SELECT c.role, q.tenant_id, c.priority, c.tag + g.jobs * q.step
                FROM lines c WHERE c.role = of_role AND c.tenant_id = '' AND c.priority = g.priority
                ON CONFLICT (role, tenant_id, priority) DO UPDATE
                SET tag = greatest(l.tag, excluded.tag - g.jobs * q.step) + g.jobs * q.step
                RETURNING l.tag - g.jobs * q.step INTO start;
                UPDATE ready r SET parked = false, admitted = q.gated, fair_tag = start + (i.n - 1) * q.step
                FROM unnest(g.ids) WITH ORDINALITY AS i(id, n) WHERE r.id = i.id;
                moved := moved + g.jobs;
            END LOOP;
        END IF;
        IF q.max_running IS NULL AND NOT EXISTS (
            SELECT 1 FROM ready WHERE role = of_role AND tenant_id = q.tenant_id AND parked
        ) THEN
            UPDATE queues
            SET gated = false, unswept = false,
                gate_moved_at = CASE WHEN gated THEN at_time
                                     WHEN gate_moved_at > at_time - interval '1 minute' THEN gate_moved_at END
            WHERE role = of_role AND tenant_id = q.tenant_id AND NOT paused AND max_running IS NULL
              AND (gated OR gate_moved_at <= at_time - interval '1 minute');
        END IF;
    END LOOP;
    RETURN moved;
END $$;

-- Counts ended children off a parent that waits for them, and makes it ready when the last
-- one has ended. Answers its role then, else null.
--
-- A function, because a volatile one looks at the data anew at each of its statements,
-- where the statement that ends a child sees everything as of its own start. That makes a
-- difference when a run adopts a job (adopt.sql) that is about to end. Both write the job's
-- row, so one of them comes first:
--   * the end: then the adoption waits for its commit, finds the job finished, and does not
--     wait for it;
--   * the adoption: then the end waits for its commit and finds the job awaited. The same
--     commit made the parent wait, so whoever looks from then on sees it do so; the
--     statement that ends the child began earlier, and might not.
CREATE FUNCTION count_down(parent uuid, ended bigint, at_time timestamptz) RETURNS text LANGUAGE sql VOLATILE AS $$
    WITH counted AS (
        UPDATE jobs
        -- One that a lapsed wait left behind may be counted though nobody waits for it (resume_jobs.sql).
        SET pending_children = greatest(pending_children - ended::integer, 0),
            state = CASE WHEN pending_children <= ended THEN 'queued' ELSE state END,
            run_at = CASE WHEN pending_children <= ended THEN at_time ELSE run_at END
        WHERE id = parent AND state = 'waiting'
        RETURNING id, role, tenant_id, priority, state
    )
    SELECT c.role FROM counted c
    CROSS JOIN make_ready(ARRAY[c.id], ARRAY[c.role], ARRAY[c.tenant_id], ARRAY[c.priority], true)
    WHERE c.state = 'queued'
$$;

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
       COALESCE(r.cancel, false) AS cancel_requested,
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
