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
    suspended_at    timestamptz,
    -- Signs the webhooks of jobs that carry a callback_url (Standard Webhooks).
    callback_secret bytea       NOT NULL CHECK (length(callback_secret) = 32),
    created_at      timestamptz NOT NULL
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
    cost_micros      bigint      NOT NULL DEFAULT 0,
    CHECK ((state IN ('succeeded', 'dead', 'cancelled')) = (finished_at IS NOT NULL))
) WITH (fillfactor = 85); -- Room for the one update of a run's end to stay on its page.

-- Lists are by tenant, newest first; ids are UUIDv7 and so sort by time. No index
-- holds a column that a run's end changes, so that update touches no index (HOT).
CREATE INDEX jobs_by_tenant ON jobs (tenant_id, id);
CREATE INDEX jobs_by_parent ON jobs (parent_id) WHERE parent_id IS NOT NULL;

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

-- Apart from `ready`, so that claims never step over rows of the future.
CREATE TABLE scheduled (
    id        uuid        PRIMARY KEY,
    run_at    timestamptz NOT NULL,
    role      text        NOT NULL,
    priority  smallint    NOT NULL,
    tenant_id text        NOT NULL
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
    version      text        NOT NULL,
    started_at   timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL
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

-- A queue is a tenant's share of a role; tenant_id '' stands for the role itself, and its
-- last_tag for the tag that was claimed last.
--
-- Fairness is start-time fair queueing (Goyal, Vin and Cheng, 1996): a job that becomes ready is
-- tagged max(the role's virtual time, the tenant's last tag), and the tenant's last tag moves on
-- by 1 / weight. Whoever has much queued is far ahead with its tags, and a newcomer's come first.
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
    -- When the gate was last moved. admit() looks after the queue while this is set: as long as it is
    -- gated, and for a minute after.
    gate_moved_at timestamptz,
    last_tag    bigint      NOT NULL DEFAULT 0,
    weight      integer     NOT NULL DEFAULT 1,
    -- Jobs that ever became ready here, and how many of them were gone when they were last counted:
    -- the difference bounds the queue from above without counting it again.
    arrived     bigint      NOT NULL DEFAULT 0,
    gone        bigint      NOT NULL DEFAULT 0,
    counted_at  timestamptz,
    PRIMARY KEY (role, tenant_id),
    CHECK (gated OR NOT paused AND max_running IS NULL OR tenant_id = ''),
    CHECK (NOT gated OR gate_moved_at IS NOT NULL)
) WITH (fillfactor = 50); -- Narrow and updated with every batch: room for that on its page.
CREATE INDEX queues_gated ON queues (role, tenant_id) WHERE gate_moved_at IS NOT NULL;
INSERT INTO queues (role, tenant_id)
VALUES ('orchestrator', ''), ('peer-hub', ''), ('sandbox', ''), ('supervisor', ''), ('webhook', '');

-- Jobs submitted by the clock. (schedule, slot) is unique through the job's
-- idempotency key, so that any number of replicas fire a slot once.
CREATE TABLE schedules (
    id         uuid        PRIMARY KEY,
    tenant_id  text        NOT NULL,
    name       text        NOT NULL,
    cron       text        NOT NULL,
    time_zone  text        NOT NULL,
    catch_up   text        NOT NULL CHECK (catch_up IN ('skip', 'one')),
    submission json        NOT NULL,
    paused     boolean     NOT NULL DEFAULT false,
    next_slot  timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (tenant_id, name)
);

-- Written in the transaction in which a job dies. Runbooks query this table as it
-- stands: keep `resolved`, `original_subject` and their meaning.
CREATE TABLE dlq_messages (
    id               uuid        PRIMARY KEY,
    tenant_id        text        NOT NULL,
    job_id           uuid,
    original_subject text        NOT NULL,
    kind             text        NOT NULL,
    role             text        NOT NULL,
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

-- Where a tenant wants its events sent. `secrets` keeps several while one rotates.
CREATE TABLE webhook_endpoints (
    id          uuid        PRIMARY KEY,
    tenant_id   text        NOT NULL,
    url         text        NOT NULL,
    events      text[]      NOT NULL,
    format      text        NOT NULL DEFAULT 'standard' CHECK (format IN ('standard', 'cloudevents')),
    secrets     json        NOT NULL,
    disabled_at timestamptz,
    created_at  timestamptz NOT NULL
);
CREATE INDEX webhook_endpoints_by_tenant ON webhook_endpoints (tenant_id);

-- Every attempt to deliver a webhook. The delivery itself is a job of kind
-- webhook.deliver whose id is message_id; this says what the receiver answered.
CREATE TABLE webhook_deliveries (
    message_id uuid        NOT NULL,
    -- In the key and not the attempt, which starts anew when a delivery is replayed.
    run_lease  bigint      NOT NULL,
    attempt    integer     NOT NULL,
    tenant_id  text        NOT NULL,
    job_id     uuid        NOT NULL,
    event      text        NOT NULL,
    url        text        NOT NULL,
    status     integer,
    latency_ms bigint      NOT NULL,
    answer     text,
    error      text,
    at         timestamptz NOT NULL,
    PRIMARY KEY (message_id, run_lease)
);
CREATE INDEX webhook_deliveries_by_job ON webhook_deliveries (job_id);

-- Money is micro-USD. `reserved` is the sum of reservations held or unsettled,
-- `spent` the sum of the ledger.
CREATE TABLE budget_limits (
    tenant_id   text        PRIMARY KEY,
    total_limit bigint      NOT NULL CHECK (total_limit >= 0),
    spent       bigint      NOT NULL DEFAULT 0 CHECK (spent >= 0),
    reserved    bigint      NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    period      text        NOT NULL DEFAULT 'month' CHECK (period IN ('day', 'week', 'month', 'forever')),
    period_start timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE budget_reservations (
    id            uuid        PRIMARY KEY,
    tenant_id     text        NOT NULL,
    job_id        uuid        NOT NULL,
    step          text        NOT NULL,
    amount        bigint      NOT NULL CHECK (amount >= 0),
    state         text        NOT NULL CHECK (state IN ('held', 'unsettled', 'settled', 'released')),
    dispatched_at timestamptz,
    created_at    timestamptz NOT NULL,
    UNIQUE (tenant_id, step)
);
CREATE TABLE budget_ledger (
    reservation_id uuid        NOT NULL,
    account        text        NOT NULL,
    amount         bigint      NOT NULL,
    at             timestamptz NOT NULL,
    PRIMARY KEY (reservation_id, account)
);

-- What the replicas know together of one dependency.
CREATE TABLE circuit_breakers (
    name       text        PRIMARY KEY,
    state      text        NOT NULL CHECK (state IN ('closed', 'half_open', 'open', 'forced_open', 'disabled')),
    opened     integer     NOT NULL DEFAULT 0,
    until      timestamptz,
    reason     text,
    updated_at timestamptz NOT NULL
);

-- Hash-chained per tenant; who changed what and when. Append-only by trigger.
CREATE TABLE audit_log (
    tenant_id text        NOT NULL,
    seq       bigint      NOT NULL,
    payload   json        NOT NULL,
    prev_hash bytea       NOT NULL CHECK (length(prev_hash) = 32),
    hash      bytea       NOT NULL CHECK (length(hash) = 32),
    at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);
CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_log is append-only';
END $$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();

-- A state change that someone listens to, written in its transaction: the job names a
-- callback_url, or its tenant is in `listeners`. The relay moves it into `events`. The id
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
-- that wants their events, a renewed lease while only streams are open. Every end of a job
-- asks here whether to write to `outbox`, so it is a table of its own and mostly empty.
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

-- Where the next tag of a role begins: that of the job to be claimed next at this priority, else
-- that of the last one claimed.
CREATE FUNCTION virtual_time(of_role text, at_priority smallint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT COALESCE((SELECT fair_tag FROM ready WHERE role = of_role AND priority = at_priority AND NOT parked
                     ORDER BY fair_tag, id LIMIT 1),
                    (SELECT last_tag FROM queues WHERE role = of_role AND tenant_id = ''),
                    0)
$$;

-- How far a job moves its queue's tag on. Weights are at most 1000, so that a hundred is left for them.
CREATE FUNCTION tag_step(weight integer) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT 100000::bigint / weight
$$;

-- Makes jobs claimable, or parks them where their queue is gated. `charged` jobs move their
-- queue's tag on; others were charged when they came and go on at once.
--
-- Charging takes the rows of the queues, in one order by all, until the commit: two batches of
-- one queue follow one another, and a gate that was moved meanwhile is seen. That is why runs
-- that end, which take other rows as well, do not charge.
CREATE FUNCTION make_ready(ids uuid[], roles text[], tenants text[], priorities smallint[], charged boolean)
RETURNS void LANGUAGE plpgsql
SET enable_hashjoin = on -- A batch of many tenants joins many queues.
AS $$
BEGIN
    IF ids IS NULL THEN
        RETURN;
    END IF;
    IF NOT charged THEN
        INSERT INTO ready (role, priority, fair_tag, id, tenant_id, parked)
        SELECT j.role, j.priority,
               COALESCE((SELECT q.last_tag FROM queues q WHERE q.role = j.role AND q.tenant_id = ''), 0),
               j.id, j.tenant_id,
               EXISTS (SELECT 1 FROM queues q WHERE q.role = j.role AND q.tenant_id = j.tenant_id AND q.gated)
        FROM unnest(ids, roles, tenants, priorities) AS j(id, role, tenant_id, priority);
        RETURN;
    END IF;
    WITH job AS MATERIALIZED (
        SELECT j.*, row_number() OVER w - 1 AS before, count(*) OVER (PARTITION BY j.role, j.tenant_id) AS jobs
        FROM unnest(ids, roles, tenants, priorities) AS j(id, role, tenant_id, priority)
        WINDOW w AS (PARTITION BY j.role, j.tenant_id ORDER BY j.priority, j.id)
    ), start AS MATERIALIZED (
        SELECT role, priority, virtual_time(role, priority) AS tag FROM (SELECT DISTINCT role, priority FROM job) d
    ), queue AS (
        INSERT INTO queues AS q (role, tenant_id, weight, last_tag, arrived)
        SELECT j.role, j.tenant_id, COALESCE(t.weight, 1),
               max(s.tag) + j.jobs * tag_step(COALESCE(t.weight, 1)), j.jobs
        FROM job j
        JOIN start s ON s.role = j.role AND s.priority = j.priority
        LEFT JOIN tenants t ON t.id = j.tenant_id
        GROUP BY j.role, j.tenant_id, t.weight, j.jobs
        ORDER BY j.role, j.tenant_id
        ON CONFLICT (role, tenant_id) DO UPDATE
        SET weight = excluded.weight, arrived = q.arrived + excluded.arrived,
            last_tag = CASE WHEN q.gated THEN q.last_tag
                       ELSE greatest(excluded.last_tag,
                                     q.last_tag + excluded.arrived * tag_step(excluded.weight)) END
        RETURNING q.role, q.tenant_id, q.gated, q.last_tag, q.weight
    )
    INSERT INTO ready (role, priority, fair_tag, id, tenant_id, parked)
    SELECT j.role, j.priority, q.last_tag - (j.jobs - j.before) * tag_step(q.weight), j.id, j.tenant_id, q.gated
    FROM job j JOIN queue q ON q.role = j.role AND q.tenant_id = j.tenant_id;
END $$;

-- Lets parked jobs of one role through, as far as their queues allow: up to `most` of each. They
-- are charged now. Answers how many came through, and whether there may be more at once.
--
-- Each statement in here sees what was committed before it, and none that charges commits while its
-- queue's row is held: so a gate is opened only when nothing is left behind it. What does not charge
-- may still park a job just then, which is why a queue is looked at for a minute more.
CREATE FUNCTION admit(of_role text, most bigint, at_time timestamptz, OUT moved bigint, OUT more boolean)
LANGUAGE plpgsql AS $$
DECLARE
    q queues;
    room bigint;
    through bigint;
BEGIN
    moved := 0;
    more := false;
    FOR q IN
        SELECT * FROM queues
        WHERE role = of_role AND gate_moved_at IS NOT NULL
        ORDER BY tenant_id FOR UPDATE SKIP LOCKED
    LOOP
        -- What was ready when the gate closed, or let through before the pause. Claims pass over it already.
        IF q.gated AND q.gate_moved_at > at_time - interval '1 minute' THEN
            UPDATE ready SET parked = true, admitted = false
            WHERE ctid = ANY (ARRAY (
                SELECT ctid FROM ready
                WHERE role = of_role AND NOT parked AND (q.paused OR NOT admitted) AND tenant_id = q.tenant_id
                LIMIT most FOR UPDATE SKIP LOCKED));
            GET DIAGNOSTICS through = ROW_COUNT;
            more := more OR through = most;
        END IF;
        CONTINUE WHEN q.paused;

        room := most;
        IF q.max_running IS NOT NULL THEN
            room := least(most, q.max_running
                - (SELECT count(*) FROM ready r WHERE r.role = of_role AND r.tenant_id = q.tenant_id AND r.admitted)
                - (SELECT count(*) FROM running r WHERE r.role = of_role AND r.tenant_id = q.tenant_id));
        END IF;
        IF room > 0 THEN
            WITH next AS MATERIALIZED (
                SELECT id, priority FROM ready
                WHERE role = of_role AND tenant_id = q.tenant_id AND parked
                ORDER BY priority, id LIMIT room FOR UPDATE SKIP LOCKED
            ), placed AS (
                SELECT id, row_number() OVER (ORDER BY priority, id) - 1 AS before FROM next
            ), start AS MATERIALIZED (
                SELECT greatest(q.last_tag, (SELECT max(virtual_time(of_role, p.priority))
                                             FROM (SELECT DISTINCT priority FROM next) p)) AS tag
            ), let AS (
                UPDATE ready r
                SET parked = false, admitted = q.gated, fair_tag = start.tag + p.before * tag_step(q.weight)
                FROM placed p, start WHERE r.id = p.id
                RETURNING 1
            ), charged AS (
                UPDATE queues SET last_tag = start.tag + (SELECT count(*) FROM next) * tag_step(q.weight)
                FROM start WHERE role = of_role AND tenant_id = q.tenant_id AND EXISTS (SELECT 1 FROM next)
            )
            SELECT count(*) INTO through FROM let;
            moved := moved + through;
            more := more OR through = most;
        END IF;
        IF q.gated AND q.max_running IS NULL AND NOT EXISTS (
            SELECT 1 FROM ready WHERE role = of_role AND tenant_id = q.tenant_id AND parked
        ) THEN
            UPDATE queues SET gated = false, gate_moved_at = at_time
            WHERE role = of_role AND tenant_id = q.tenant_id;
        ELSIF NOT q.gated AND q.gate_moved_at <= at_time - interval '1 minute' THEN
            UPDATE queues SET gate_moved_at = NULL WHERE role = of_role AND tenant_id = q.tenant_id;
        END IF;
    END LOOP;
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
        SET pending_children = pending_children - ended::integer,
            state = CASE WHEN pending_children = ended THEN 'queued' ELSE state END,
            run_at = CASE WHEN pending_children = ended THEN at_time ELSE run_at END
        WHERE id = parent AND state = 'waiting'
        RETURNING id, role, tenant_id, priority, state
    )
    SELECT c.role FROM counted c
    CROSS JOIN make_ready(ARRAY[c.id], ARRAY[c.role], ARRAY[c.tenant_id], ARRAY[c.priority], false)
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
       j.cost_micros
FROM jobs j
LEFT JOIN running r ON r.id = j.id
LEFT JOIN ready q ON q.id = j.id;
