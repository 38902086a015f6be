-- A page of a list of reviews, newest first. Before this text comes one of the files in `reviews/`, which says where to
-- look: `looked` are ids, all that may match among them. No more than ?5 are looked at. Where they do not fill the page,
-- `looked_to` is the last of them; it is null where there are no more. One whose job was cancelled while it was open is
-- cancelled, whatever its row says.
-- ?1 the tenant, ?2 only those before; ?3 state and ?4 risk, null for any; ?6 at most so many.
, horizon AS MATERIALIZED (
    SELECT id FROM looked ORDER BY id DESC LIMIT 1 OFFSET ?5 - 1
), page AS MATERIALIZED (
    SELECT r.id FROM looked l CROSS JOIN peer_reviews r ON r.id = l.id LEFT JOIN jobs j ON j.id = r.job_id
    WHERE r.tenant_id = ?1 AND ((SELECT id FROM horizon) IS NULL OR l.id >= (SELECT id FROM horizon))
      AND (?3 IS NULL OR ?3 = CASE WHEN r.state IN ('COLLECTING', 'ESCALATED') AND j.state = 'cancelled' THEN 'CANCELLED'
                                   ELSE r.state END)
      AND (?4 IS NULL OR r.risk = ?4)
    ORDER BY l.id DESC
    LIMIT ?6
)
SELECT b.looked_to, r.*, COALESCE(j.state = 'cancelled', 0) AS cancelled
FROM (SELECT CASE WHEN (SELECT count(*) FROM page) < ?6 THEN (SELECT id FROM horizon) END AS looked_to) b
LEFT JOIN page p ON true
LEFT JOIN peer_reviews r ON r.id = p.id
LEFT JOIN jobs j ON j.id = r.job_id
ORDER BY r.id DESC
