-- $1 the tenant, $2 for how long in ms, $3 the held clock. A longer lease stands. Answers whether
-- somebody was listening until now.
WITH until_now AS (
    SELECT 1 FROM listeners WHERE tenant_id IN ($1, '') AND until > COALESCE($3, now())
), from_now AS (
    INSERT INTO listeners AS l (tenant_id, until)
    VALUES ($1, COALESCE($3, now()) + $2 * interval '1 millisecond')
    ON CONFLICT (tenant_id) DO UPDATE SET until = excluded.until WHERE l.until < excluded.until
)
SELECT EXISTS (SELECT FROM until_now)
