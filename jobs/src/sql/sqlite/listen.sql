-- ?1 the tenant, ?2 until when. A longer lease stands.
INSERT INTO listeners (tenant_id, until) VALUES (?1, ?2)
ON CONFLICT (tenant_id) DO UPDATE SET until = excluded.until WHERE until < excluded.until
