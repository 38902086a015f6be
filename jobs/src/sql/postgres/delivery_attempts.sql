-- Oldest first. $1 the delivery.
SELECT message_id, run_lease, attempt, url, status, latency_ms, answer, error, at
FROM webhook_attempts WHERE message_id = $1 ORDER BY run_lease
