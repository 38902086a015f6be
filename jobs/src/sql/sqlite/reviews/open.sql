-- Those of a tenant's reviews that nobody has decided, or that were cancelled before somebody did.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM peer_reviews
    WHERE tenant_id = ?1 AND state IN ('COLLECTING', 'ESCALATED') AND (?2 IS NULL OR id < ?2)
)
