-- $1 ids, $2 tenants, $3 endpoints, $4 jobs they are about, $5 events, $6 urls, $7 when the events happened.
INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, job_id, event, url, created_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[])
ON CONFLICT (id) DO NOTHING
