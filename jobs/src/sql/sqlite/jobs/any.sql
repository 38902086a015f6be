-- A tenant's own jobs.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM jobs WHERE tenant_id = ?1 AND id < ?8
)
