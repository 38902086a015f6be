-- The lean path: runs that succeeded. ?1: [[id, run_lease, result], …], ?2: now.
-- As many rows change as runs still held their lease.

-- step: jobs
UPDATE jobs
SET state = 'succeeded', attempt = attempt + 1, lost = 0, result = f.result,
    error_code = NULL, error_message = NULL, error_at = NULL,
    worker_id = f.worker_id, started_at = f.started_at, finished_at = ?2
FROM (SELECT r.id, r.worker_id, r.started_at, e.value ->> 2 AS result
      FROM json_each(?1) AS e
      CROSS JOIN running r ON r.run_lease = e.value ->> 1
      WHERE r.id = unhex(e.value ->> 0)) AS f
WHERE jobs.id = f.id
