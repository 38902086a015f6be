-- Every end of a run but success. What each verdict means is decided by the caller and
-- comes as plain columns: the next state, when it is due, whether the attempt is spent.

-- step: held
-- The runs of ?1 ([[id, run_lease], …]) that still hold their lease.
SELECT r.run_lease, r.cancel, r.tenant_id, j.role, j.priority
FROM json_each(?1) AS e
CROSS JOIN running r ON r.run_lease = e.value ->> 1
CROSS JOIN jobs j ON j.id = r.id
WHERE r.id = unhex(e.value ->> 0)

-- step: jobs
-- ?1: [[id, run_lease, state, attempt spent, worker lost, run_at, error code, error message, checkpoint,
-- children awaited, outcome], …], ?2: now.
UPDATE jobs
SET state = f.state,
    attempt = jobs.attempt + f.spent,
    lost = CASE WHEN f.lost THEN jobs.lost + 1 ELSE 0 END,
    run_at = COALESCE(f.run_at, jobs.run_at),
    error_code = COALESCE(f.error_code, jobs.error_code),
    error_message = COALESCE(f.error_message, jobs.error_message),
    error_at = CASE WHEN f.error_code IS NULL THEN jobs.error_at ELSE ?2 END,
    checkpoint = COALESCE(f.checkpoint, jobs.checkpoint),
    pending_children = f.children,
    worker_id = f.worker_id,
    started_at = f.started_at,
    finished_at = CASE WHEN f.state IN ('dead', 'cancelled') THEN ?2 END
FROM (SELECT r.id, r.worker_id, r.started_at, e.value ->> 2 AS state, e.value ->> 3 AS spent, e.value ->> 4 AS lost,
             e.value ->> 5 AS run_at, e.value ->> 6 AS error_code, e.value ->> 7 AS error_message,
             e.value ->> 8 AS checkpoint, e.value ->> 9 AS children
      FROM json_each(?1) AS e
      CROSS JOIN running r ON r.run_lease = e.value ->> 1
      -- Known to be so, and yet said: without it all jobs are gone through, once for each of these runs.
      WHERE r.id = unhex(e.value ->> 0)) AS f
WHERE jobs.id = f.id

-- step: kept
-- The record of the runs that have an outcome. Parameters as in step jobs, which came before.
INSERT INTO job_attempts (job_id, run_lease, attempt, outcome, error_code, error_message, worker_id, started_at,
                          finished_at)
SELECT r.id, r.run_lease, j.attempt, e.value ->> 10, e.value ->> 6, e.value ->> 7, r.worker_id, r.started_at, ?2
FROM json_each(?1) AS e
CROSS JOIN running r ON r.run_lease = e.value ->> 1
CROSS JOIN jobs j ON j.id = r.id
WHERE e.value ->> 10 IS NOT NULL

-- step: unfunded
-- The jobs that wait for money. ?1: [[job, tenant, need], …], ?2: now.
INSERT OR REPLACE INTO budget_waits (job_id, tenant_id, need, since)
SELECT unhex(value ->> 0), value ->> 1, value ->> 2, ?2 FROM json_each(?1)

-- step: bounded
-- The jobs that wait so long at most. ?1: [[job, until], …]. The runs that said so are noted in step jobs.
INSERT OR REPLACE INTO waits (job_id, started_at, until)
SELECT j.id, j.started_at, e.value ->> 1 FROM json_each(?1) AS e CROSS JOIN jobs j ON j.id = unhex(e.value ->> 0)

-- step: buried
-- ?1: [[dead letter, job], …], ?2: now.
INSERT INTO dlq_messages (id, tenant_id, job_id, original_subject, kind, role, payload, error_code, error, attempts,
                          created_at)
SELECT unhex(e.value ->> 0), j.tenant_id, j.id, 'jobs.' || j.role || '.' || j.kind, j.kind, j.role, j.payload,
       j.error_code, j.error_message, j.attempt, ?2
FROM json_each(?1) AS e
CROSS JOIN jobs j ON j.id = unhex(e.value ->> 1)
