-- step: until_now
-- Whether somebody is listening to tenant ?1. ?2: now.
SELECT EXISTS (SELECT 1 FROM listeners WHERE tenant_id IN (?1, '') AND until > ?2)

-- step: from_now
-- ?1 the tenant, ?2 until when. A longer lease stands.
INSERT INTO listeners (tenant_id, until) VALUES (?1, ?2)
ON CONFLICT (tenant_id) DO UPDATE SET until = excluded.until WHERE until < excluded.until
