-- A tenant's reviews; the pairs are there for the planner, as in jobs/any.sql.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM peer_reviews WHERE tenant_id = $1 AND (tenant_id, id) < ($1, $2) ORDER BY id DESC LIMIT $5
)
