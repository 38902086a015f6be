-- A tenant's open letters.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM dlq_messages WHERE tenant_id = ?1 AND NOT resolved AND id < ?9
)
