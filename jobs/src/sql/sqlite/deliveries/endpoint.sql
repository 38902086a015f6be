-- What went to endpoint ?2.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM webhook_deliveries WHERE endpoint_id = ?2 AND id < ?9
)
