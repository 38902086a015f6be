-- What is known of submissions that were not new: by idempotency key where there is one
-- ($1 tenants, $2 routes, $3 keys), else by id ($4). One row each, in no order. A key is
-- forgotten after $5 seconds. $6 the held clock.
SELECT k.tenant_id, k.route, k.key, k.fingerprint, k.job_id AS id, NULL::timestamptz AS run_at, k.created_at
FROM unnest($1::text[], $2::text[], $3::text[]) AS asked(tenant_id, route, key)
JOIN idempotency_keys k USING (tenant_id, route, key)
WHERE k.created_at > COALESCE($6, now()) - $5 * interval '1 second'
UNION ALL
SELECT j.tenant_id, NULL, NULL, NULL, j.id, j.run_at, j.created_at
FROM jobs j WHERE j.id = ANY ($4::uuid[])
