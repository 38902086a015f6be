-- The slot of tenant $1 and role $2, for those who only read it; nulls where nothing was ever proposed. $3 the held clock.
SELECT s.active_version, s.last_version, s.canary, s.frozen_at, s.frozen_by, s.frozen_reason, s.thawed_at, t.at
FROM (SELECT COALESCE($3, now()) AS at) t LEFT JOIN governance_slots s ON s.tenant_id = $1 AND s.role = $2
