-- A page of a list of reviews, newest first. Before this text comes one of the files in `reviews/`, which says where to
-- look: `looked` are the ids of $5 reviews at most, among them all that match. Where they do not fill the page, `looked_to`
-- is the last of them; it is null where there are no more. One whose job was cancelled while it was open is cancelled,
-- whatever its row says.
-- $1 the tenant, $2 only those before; $3 state and $4 risk, null for any; $6 at most so many.
, page AS MATERIALIZED (
    SELECT r.id FROM looked l JOIN peer_reviews r ON r.id = l.id LEFT JOIN jobs j ON j.id = r.job_id
    WHERE r.tenant_id = $1
      AND ($3::text IS NULL
           OR $3 = CASE WHEN r.state IN ('COLLECTING', 'ESCALATED') AND j.state = 'cancelled' THEN 'CANCELLED'
                        ELSE r.state END)
      AND ($4::text IS NULL OR r.risk = $4)
    ORDER BY l.id DESC
    LIMIT $6
)
SELECT b.looked_to, r.id, r.tenant_id, r.job_id, r.title, r.risk, r.author, r.submitted_by, r.state, r.round, r.digest,
       r.panel::text AS panel, r.opened_at, r.replaced_at, r.closed_at, r.ruling::text AS ruling,
       r.earlier::text AS earlier, COALESCE(j.state = 'cancelled', false) AS cancelled
FROM (SELECT CASE WHEN (SELECT count(*) FROM page) < $6
             THEN (SELECT id FROM looked ORDER BY id DESC OFFSET $5 - 1 LIMIT 1) END AS looked_to) b
LEFT JOIN page p ON true
LEFT JOIN peer_reviews r ON r.id = p.id
LEFT JOIN jobs j ON j.id = r.job_id
ORDER BY r.id DESC
