-- A tenant's letters, open or not.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM dlq_messages WHERE tenant_id = ?1 AND id < ?9
)
