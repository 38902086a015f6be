-- A tenant's open letters; the pairs are there for the planner, as in jobs/any.sql.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM dlq_messages
    WHERE NOT resolved AND tenant_id = $1 AND (tenant_id, id) >= ($1, $8) AND (tenant_id, id) < ($1, $9)
    ORDER BY id DESC LIMIT $12
)
