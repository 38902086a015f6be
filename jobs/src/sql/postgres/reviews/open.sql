-- Those of a tenant's reviews that nobody has decided, or that were cancelled before somebody did; the pairs are there for
-- the planner, as in jobs/any.sql.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM peer_reviews
    WHERE state IN ('COLLECTING', 'ESCALATED') AND tenant_id = $1 AND (tenant_id, id) < ($1, $2)
    ORDER BY id DESC LIMIT $5
)
