-- Jobs that wait go on now.

-- step: resumed
-- Those of ?1 ([[id, when its last run began, or null for whenever], …]). ?2: now.
UPDATE jobs SET state = 'queued', pending_children = 0, run_at = ?2
FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS started_at FROM json_each(?1)) AS a
WHERE jobs.id = a.id AND jobs.state = 'waiting' AND (a.started_at IS NULL OR jobs.started_at = a.started_at)
RETURNING jobs.id, role, tenant_id, priority

-- step: loosed
-- What they waited for is not counted any more when it ends. ?1: ids.
UPDATE jobs SET awaited = 0
WHERE parent_id IN (SELECT unhex(value) FROM json_each(?1)) AND awaited AND finished_at IS NULL
