-- A tenant's reviews.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM peer_reviews WHERE tenant_id = ?1 AND (?2 IS NULL OR id < ?2)
)
