-- $1 the tenant, $2 the delivery.
SELECT d.id, d.tenant_id, d.endpoint_id, d.job_id, d.event, d.url, d.created_at, d.status, d.attempt,
       d.max_attempts, d.run_at, d.finished_at, d.error_code, d.error_message, d.error_at
FROM delivery_view d WHERE d.tenant_id = $1 AND d.id = $2
