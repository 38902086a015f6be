-- Worker $1 looks after the guards $2 for the next $3 ms, but for those that another does. $4 the held clock.
INSERT INTO guards AS g (name, worker_id, until, looked_at)
SELECT name, $1, COALESCE($4, now()) + $3 * interval '1 millisecond', COALESCE($4, now())
FROM unnest($2::text[]) AS name ORDER BY name
ON CONFLICT (name) DO UPDATE
SET worker_id = excluded.worker_id, until = excluded.until, looked_at = excluded.looked_at
    WHERE g.worker_id = excluded.worker_id OR g.until <= COALESCE($4, now())
RETURNING name, looked_at, remedied, failures, escalated
