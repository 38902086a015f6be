-- Runs one job again by hand.

-- step: found
-- ?1: the tenant, ?2: the job.
SELECT id, tenant_id, state, role, priority FROM job_view WHERE tenant_id = ?1 AND id = ?2

-- step: requeued
-- Ended jobs in one of the states ?4, with fresh attempts. Their end was counted by whoever
-- awaited them, so nobody awaits them any more. ?1: ids, ?2: a new payload or null, ?3: now.
UPDATE jobs
SET state = 'queued', attempt = 0, lost = 0, awaited = 0, result = NULL, progress = NULL,
    payload = COALESCE(?2, payload), run_at = ?3, finished_at = NULL
WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND state IN (SELECT value FROM json_each(?4))
RETURNING id, role, tenant_id, priority

-- step: renewed
-- What the fresh attempts of jobs ?1 spend is spent anew.
UPDATE budget_reservations SET current = 0 WHERE job_id IN (SELECT unhex(value) FROM json_each(?1)) AND current

-- step: resolved
-- Its open dead letter. ?1: the tenant, ?2: the job, ?3: by whom, ?4: now.
UPDATE dlq_messages
SET resolved = 1, resolution = 'replayed', resolved_by = ?3, resolved_at = ?4
WHERE tenant_id = ?1 AND job_id = ?2 AND NOT resolved

-- step: hastened
-- A job that was due later is due now. ?1: the job, ?2: now.
UPDATE jobs SET state = 'queued', run_at = ?2 WHERE id = ?1
