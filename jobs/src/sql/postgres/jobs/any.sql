-- A tenant's own jobs. The pairs are there for the planner: with the bare tenant it may take the
-- index by id alone, and walk all of everybody's jobs for a tenant that has few.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM jobs
    WHERE tenant_id = $1 AND (tenant_id, id) >= ($1, $7) AND (tenant_id, id) < ($1, $8)
    ORDER BY id DESC LIMIT $10
)
