-- Forgets tenant ?1 unless jobs of it are open.

-- step: gone
DELETE FROM tenants
WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE tenant_id = ?1 AND finished_at IS NULL)

-- step: known
SELECT EXISTS (SELECT 1 FROM tenants WHERE id = ?1)

-- step: queues
DELETE FROM queues WHERE tenant_id = ?1

-- step: schedules
DELETE FROM schedules WHERE tenant_id = ?1

-- step: endpoints
DELETE FROM webhook_endpoints WHERE tenant_id = ?1

-- step: listeners
DELETE FROM listeners WHERE tenant_id = ?1
