-- Listens to tenant $1 for as long as it has an endpoint that takes events, and then for another $2 ms,
-- in which those who listen besides renew their leases.

-- step: alone
-- Endpoints of one tenant come and go one after the other, so that the next step sees them all.
SELECT pg_advisory_xact_lock(hashtext('golden.endpoints'), hashtext($1))

-- step: heeded
-- $3 the held clock.
INSERT INTO listeners AS l (tenant_id, until)
SELECT $1, CASE WHEN EXISTS (SELECT FROM webhook_endpoints WHERE tenant_id = $1 AND disabled_at IS NULL)
                THEN 'infinity' ELSE COALESCE($3, now()) + $2 * interval '1 millisecond' END
ON CONFLICT (tenant_id) DO UPDATE SET until = excluded.until
WHERE excluded.until = 'infinity' OR l.until = 'infinity'
