SELECT message_id, run_lease, attempt, tenant_id, job_id, event, url, status, latency_ms, answer, error, at
FROM webhook_deliveries
WHERE tenant_id = ?1 AND job_id = ?2
ORDER BY at, run_lease
