-- The accounts that a reservation is on.

-- step: opened
INSERT INTO budget_limits (tenant_id, period_start) VALUES (?1, ?2) ON CONFLICT (tenant_id) DO NOTHING

-- step: tenant
SELECT total_limit, period, spent, reserved, period_start, turn, told, told_limit
FROM budget_limits WHERE tenant_id = ?1

-- step: trees_opened
-- ?1: ids.
INSERT INTO budget_trees (job_id, tenant_id, max_cost)
SELECT id, tenant_id, max_cost FROM jobs
WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND max_cost IS NOT NULL
ON CONFLICT (job_id) DO NOTHING

-- step: trees
SELECT job_id, max_cost, spent, reserved FROM budget_trees
WHERE job_id IN (SELECT unhex(value) FROM json_each(?1)) ORDER BY job_id

-- step: tenant_kept
UPDATE budget_limits
SET total_limit = ?2, period = ?3, spent = ?4, reserved = ?5, period_start = ?6, turn = ?7, told = ?8, told_limit = ?9
WHERE tenant_id = ?1

-- step: tree_kept
UPDATE budget_trees SET spent = ?2, reserved = ?3 WHERE job_id = ?1
