-- ?1: [[id, tenant, endpoint, job it is about, event, url, when the event happened], …]
INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, job_id, event, url, created_at)
SELECT unhex(value ->> 0), value ->> 1, unhex(value ->> 2), unhex(value ->> 3), value ->> 4, value ->> 5, value ->> 6
FROM json_each(?1) WHERE true
ON CONFLICT (id) DO NOTHING
