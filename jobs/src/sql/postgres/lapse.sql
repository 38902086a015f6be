-- Up to $1 waits whose time is over, and when the runs began that asked for them. $2 the held clock.
DELETE FROM waits WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM waits WHERE until <= COALESCE($2, now()) ORDER BY until LIMIT $1 FOR UPDATE SKIP LOCKED))
RETURNING job_id, started_at
