-- The reviews of tenant ?1, newest first: at most ?5, those before ?2, in state ?3 and of risk ?4 where given. One whose
-- job was cancelled while it was open is cancelled, whatever its row says.
SELECT r.*, COALESCE(j.state = 'cancelled', 0) AS cancelled
FROM peer_reviews r LEFT JOIN jobs j ON j.id = r.job_id
WHERE r.tenant_id = ?1 AND (?2 IS NULL OR r.id < ?2) AND (?4 IS NULL OR r.risk = ?4)
  AND (?3 IS NULL OR ?3 = CASE WHEN r.state IN ('COLLECTING', 'ESCALATED') AND j.state = 'cancelled' THEN 'CANCELLED'
                               ELSE r.state END)
ORDER BY r.id DESC
LIMIT ?5
