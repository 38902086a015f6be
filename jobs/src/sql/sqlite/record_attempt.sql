-- step: kept
-- The run that recorded it may have been lost right after: it is recorded again.
INSERT INTO webhook_attempts (message_id, run_lease, attempt, url, status, latency_ms, answer, error, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (message_id, run_lease) DO UPDATE
    SET url = excluded.url, status = excluded.status, latency_ms = excluded.latency_ms, answer = excluded.answer,
        error = excluded.error, at = excluded.at

-- step: mended
-- Endpoint ?1 took a delivery. Most of the time it was not failing, and nothing is written.
UPDATE webhook_endpoints SET failing_since = NULL WHERE id = ?1 AND failing_since IS NOT NULL

-- step: failed
-- Endpoint ?1 did not: ?2 because it is gone for good. It is disabled then, or if it has been failing
-- since ?3 or before; ?4 now. Answers its tenant and the reason if it was disabled just now.
UPDATE webhook_endpoints
SET failing_since = COALESCE(failing_since, ?4),
    disabled_at = CASE WHEN ?2 OR failing_since <= ?3 THEN ?4 END,
    disabled_reason = CASE WHEN ?2 THEN 'gone' WHEN failing_since <= ?3 THEN 'failing' END
WHERE id = ?1 AND disabled_at IS NULL AND (?2 OR failing_since IS NULL OR failing_since <= ?3)
RETURNING tenant_id, disabled_reason
