-- The runs on record, then the one under way or the success, which leave no record of
-- their own.
SELECT attempt, outcome, error_code, error_message, worker_id, started_at, finished_at
FROM job_attempts WHERE job_id = ?1
UNION ALL
SELECT attempt, state, NULL, NULL, worker_id, started_at, finished_at
FROM job_view WHERE id = ?1 AND state IN ('running', 'succeeded')
ORDER BY started_at, attempt
