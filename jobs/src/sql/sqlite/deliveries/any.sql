-- A tenant's own deliveries.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM webhook_deliveries WHERE tenant_id = ?1 AND id < ?9
)
