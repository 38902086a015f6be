SELECT id, tenant_id, job_id, event, created_at FROM outbox ORDER BY id LIMIT ?1
