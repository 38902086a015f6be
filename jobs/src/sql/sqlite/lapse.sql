-- Waits come to their end.

-- step: lapsed
-- Up to ?1 whose time is over at ?2, and when the runs began that asked for them.
DELETE FROM waits WHERE job_id IN (SELECT job_id FROM waits WHERE until <= ?2 ORDER BY until LIMIT ?1)
RETURNING job_id, started_at

-- step: next
-- When the next one is, after ?1.
SELECT min(until) FROM waits WHERE until > ?1
