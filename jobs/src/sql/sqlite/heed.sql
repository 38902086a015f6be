-- Listens to tenant ?1 for as long as it has an endpoint that takes events, and then until ?2, in which
-- time those who listen besides renew their leases.
INSERT INTO listeners (tenant_id, until)
SELECT ?1, CASE WHEN EXISTS (SELECT 1 FROM webhook_endpoints WHERE tenant_id = ?1 AND disabled_at IS NULL)
                THEN 9223372036854775807 ELSE ?2 END
WHERE true
ON CONFLICT (tenant_id) DO UPDATE SET until = excluded.until
WHERE excluded.until = 9223372036854775807 OR until = 9223372036854775807
