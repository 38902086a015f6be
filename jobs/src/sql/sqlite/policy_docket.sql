-- The slot of tenant ?1 and role ?2, for those who only read it.
SELECT active_version, last_version, canary, frozen_at, frozen_by, frozen_reason, thawed_at
FROM governance_slots WHERE tenant_id = ?1 AND role = ?2
