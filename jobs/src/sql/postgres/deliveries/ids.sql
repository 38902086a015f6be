-- Those that are named.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM webhook_deliveries WHERE id = ANY ($12) AND id >= $8 AND id < $9 ORDER BY id DESC LIMIT $11
)
