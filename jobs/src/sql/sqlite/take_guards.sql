-- Worker ?1 looks after the guards ?2 until ?3, but for those that another does at ?4.
INSERT INTO guards (name, worker_id, until, looked_at)
SELECT value, ?1, ?3, ?4 FROM json_each(?2) WHERE true
ON CONFLICT (name) DO UPDATE
SET worker_id = excluded.worker_id, until = excluded.until, looked_at = excluded.looked_at
    WHERE guards.worker_id = excluded.worker_id OR guards.until <= ?4
RETURNING name, looked_at, remedied, failures, escalated
