-- Those of a tenant's escalations that still need somebody.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM escalations WHERE tenant_id = ?1 AND state <> 'resolved' AND (?2 IS NULL OR id < ?2)
)
