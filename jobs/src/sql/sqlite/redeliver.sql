-- step: sendable
-- Which of the deliveries ?2 of tenant ?1 may be sent again: those that have ended and whose endpoint, if it is
-- one, takes messages.
SELECT j.id
FROM json_each(?2) AS e
CROSS JOIN webhook_deliveries d ON d.id = unhex(e.value)
CROSS JOIN jobs j ON j.id = d.id
WHERE d.tenant_id = ?1 AND j.finished_at IS NOT NULL
  AND (d.endpoint_id IS NULL
       OR EXISTS (SELECT 1 FROM webhook_endpoints e WHERE e.id = d.endpoint_id AND e.disabled_at IS NULL))

-- step: resolved
-- The open dead letters of the jobs ?2 of tenant ?1. ?3 by whom, ?4 now.
UPDATE dlq_messages SET resolved = 1, resolution = 'replayed', resolved_by = ?3, resolved_at = ?4
WHERE tenant_id = ?1 AND job_id IN (SELECT unhex(value) FROM json_each(?2)) AND NOT resolved
