INSERT INTO webhook_deliveries (message_id, run_lease, attempt, tenant_id, job_id, event, url, status, latency_ms,
                                answer, error, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT (message_id, run_lease) DO UPDATE
    SET status = excluded.status, latency_ms = excluded.latency_ms, answer = excluded.answer,
        error = excluded.error, at = excluded.at
