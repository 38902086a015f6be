-- Forgets tenant ?1 unless jobs of it are open. These are looked for where they wait and run, since `jobs`
-- keeps what has ended as well; one that waits for children has some of them there.

-- step: gone
DELETE FROM tenants
WHERE id = ?1
  AND NOT EXISTS (SELECT 1 FROM running WHERE tenant_id = ?1)
  AND NOT EXISTS (SELECT 1 FROM scheduled WHERE tenant_id = ?1)
  AND NOT EXISTS (SELECT 1 FROM budget_waits WHERE tenant_id = ?1)
  AND NOT EXISTS (SELECT 1 FROM escalations WHERE tenant_id = ?1 AND state <> 'resolved')
  AND NOT EXISTS (SELECT 1 FROM ready WHERE tenant_id = ?1)

-- step: known
SELECT EXISTS (SELECT 1 FROM tenants WHERE id = ?1)

-- step: queues
DELETE FROM queues WHERE tenant_id = ?1

-- step: schedules
DELETE FROM schedules WHERE tenant_id = ?1

-- step: functions
DELETE FROM functions WHERE tenant_id = ?1

-- step: versions
DELETE FROM function_versions WHERE tenant_id = ?1

-- step: endpoints
DELETE FROM webhook_endpoints WHERE tenant_id = ?1

-- step: budget
-- What it spent stays spent, should it come back.
UPDATE budget_limits SET total_limit = NULL, period = NULL WHERE tenant_id = ?1

-- step: policies
-- Versions stay, and their numbers are not given out again; none of them is active.
UPDATE governance_slots
SET active_version = 0, canary = NULL, frozen_at = NULL, frozen_by = NULL, frozen_reason = NULL
WHERE tenant_id = ?1

-- step: changes
UPDATE policy_changes
SET state = CASE state WHEN 'active' THEN 'superseded' WHEN 'canary' THEN 'rolled_back' ELSE 'withdrawn' END
WHERE tenant_id = ?1 AND state IN ('proposed', 'validating', 'evaluating', 'awaiting_approval', 'approved', 'scheduled',
                                   'canary', 'active')

-- step: listeners
DELETE FROM listeners WHERE tenant_id = ?1
