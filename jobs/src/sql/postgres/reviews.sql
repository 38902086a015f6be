-- The reviews of tenant $1, newest first: at most $5, those before $2, in state $3 and of risk $4 where given. One whose
-- job was cancelled while it was open is cancelled, whatever its row says.
SELECT r.id, r.tenant_id, r.job_id, r.title, r.risk, r.author, r.submitted_by, r.state, r.round, r.digest,
       r.panel::text AS panel, r.opened_at, r.replaced_at, r.closed_at, r.ruling::text AS ruling,
       r.earlier::text AS earlier, COALESCE(j.state = 'cancelled', false) AS cancelled
FROM peer_reviews r LEFT JOIN jobs j ON j.id = r.job_id
WHERE r.tenant_id = $1 AND ($2::uuid IS NULL OR r.id < $2) AND ($4::text IS NULL OR r.risk = $4)
  AND ($3::text IS NULL
       OR $3 = CASE WHEN r.state IN ('COLLECTING', 'ESCALATED') AND j.state = 'cancelled' THEN 'CANCELLED'
                    ELSE r.state END)
ORDER BY r.id DESC
LIMIT $5
