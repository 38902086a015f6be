-- $1 the tenant, $2 for how long in ms, $3 the held clock. A longer lease stands.
INSERT INTO listeners AS l (tenant_id, until)
VALUES ($1, COALESCE($3, now()) + $2 * interval '1 millisecond')
ON CONFLICT (tenant_id) DO UPDATE SET until = excluded.until WHERE l.until < excluded.until
