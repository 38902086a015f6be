-- $1 the tenant, $2 the last number seen, $3 at most so many.
SELECT tenant_id, seq, id, job_id, event, data::text AS data, at
FROM events WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3
