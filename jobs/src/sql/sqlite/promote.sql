-- Makes up to ?2 jobs ready that are due at ?1, and says who has work. `jobs` keeps the
-- state it had; `job_view` shows queued.

-- step: taken
DELETE FROM scheduled
WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM scheduled WHERE run_at <= ?1 ORDER BY run_at, id LIMIT ?2)
RETURNING id, role, priority, tenant_id

-- step: waiting
-- Which of the roles ?1 have ready jobs.
SELECT value FROM json_each(?1) AS asked WHERE EXISTS (SELECT 1 FROM ready WHERE role = asked.value AND parked = 0)

-- step: next
-- When the next job is due after ?1.
SELECT min(run_at) FROM scheduled WHERE run_at > ?1
