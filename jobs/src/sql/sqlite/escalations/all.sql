-- A tenant's escalations.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM escalations WHERE tenant_id = ?1 AND (?2 IS NULL OR id < ?2)
)
