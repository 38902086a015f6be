-- Which of the deliveries $2 of tenant $1 may be sent again: those that have ended and whose endpoint, if it is
-- one, takes messages. Their jobs stay as they are until this transaction ends.
SELECT j.id
FROM webhook_deliveries d JOIN jobs j ON j.id = d.id
WHERE d.tenant_id = $1 AND d.id = ANY ($2::uuid[]) AND j.state IN ('succeeded', 'dead', 'cancelled')
  AND (d.endpoint_id IS NULL
       OR EXISTS (SELECT FROM webhook_endpoints e WHERE e.id = d.endpoint_id AND e.disabled_at IS NULL))
ORDER BY j.id
FOR UPDATE OF j
