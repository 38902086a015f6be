-- A tenant's letters, open or not; the pairs are there for the planner, as in jobs/any.sql.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM dlq_messages
    WHERE tenant_id = $1 AND (tenant_id, id) >= ($1, $8) AND (tenant_id, id) < ($1, $9)
    ORDER BY id DESC LIMIT $12
)
