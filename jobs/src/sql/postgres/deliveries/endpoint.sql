-- What went to endpoint $2; in pairs, as in `any.sql`.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM webhook_deliveries
    WHERE endpoint_id IS NOT NULL AND (endpoint_id, id) >= ($2, $8) AND (endpoint_id, id) < ($2, $9)
    ORDER BY endpoint_id DESC, id DESC LIMIT $11
)
