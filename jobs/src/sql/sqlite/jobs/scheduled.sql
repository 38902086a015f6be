-- A tenant's jobs that are due later: scheduled and retrying ones alike.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM scheduled WHERE tenant_id = ?1 AND id < ?8
)
