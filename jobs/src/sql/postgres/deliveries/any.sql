-- A tenant's own deliveries. Rows are compared as pairs, which only the index of just those pairs has in
-- order: with the bare tenant, the planner may walk everybody's for one that has few.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM webhook_deliveries
    WHERE (tenant_id, id) >= ($1, $8) AND (tenant_id, id) < ($1, $9)
    ORDER BY tenant_id DESC, id DESC LIMIT $11
)
