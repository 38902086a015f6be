-- A review with its ballots, and how it is written back.

-- step: of
-- Review ?2 of tenant ?1.
SELECT r.*, COALESCE(j.state = 'cancelled', 0) AS cancelled
FROM peer_reviews r LEFT JOIN jobs j ON j.id = r.job_id
WHERE r.id = ?2 AND r.tenant_id = ?1

-- step: ballots
SELECT round, seat, role, digest, verdict, severity, findings, confidence, reason, policy_version, model, cast_at
FROM peer_ballots WHERE review_id = ?1 ORDER BY cast_at, round, seat

-- step: opened
INSERT INTO peer_reviews (id, tenant_id, job_id, title, risk, author, submitted_by, state, round, digest, panel,
                          opened_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT (id) DO NOTHING

-- step: kept
UPDATE peer_reviews
SET job_id = ?2, state = ?3, round = ?4, digest = ?5, panel = ?6, opened_at = ?7, replaced_at = ?8, closed_at = ?9,
    ruling = ?10, earlier = ?11, submitted_by = ?12
WHERE id = ?1

-- step: cast
-- What was cast stays as it was cast.
INSERT INTO peer_ballots (review_id, round, seat, role, digest, verdict, severity, findings, confidence, reason,
                          policy_version, model, cast_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
ON CONFLICT (review_id, round, seat) DO NOTHING
