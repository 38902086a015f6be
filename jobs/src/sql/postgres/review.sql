-- A review with its ballots, and how it is written back. Whoever changes one holds its row.

-- step: of
-- Review $2 of tenant $1, and the time. $3 the held clock.
SELECT r.id, r.tenant_id, r.job_id, r.title, r.risk, r.author, r.submitted_by, r.state, r.round, r.digest,
       r.panel::text AS panel, r.opened_at, r.replaced_at, r.closed_at, r.ruling::text AS ruling,
       r.earlier::text AS earlier, COALESCE(j.state = 'cancelled', false) AS cancelled, COALESCE($3, now()) AS at
FROM peer_reviews r LEFT JOIN jobs j ON j.id = r.job_id
WHERE r.id = $2 AND r.tenant_id = $1

-- step: held
-- Review $2 of tenant $1, until the transaction ends.
SELECT FROM peer_reviews WHERE id = $2 AND tenant_id = $1 FOR UPDATE

-- step: ballots
SELECT round, seat, role, digest, verdict, severity, findings::text AS findings, confidence, reason, policy_version,
       model, cast_at
FROM peer_ballots WHERE review_id = $1 ORDER BY cast_at, round, seat

-- step: opened
-- $11 the held clock.
INSERT INTO peer_reviews (id, tenant_id, job_id, title, risk, author, submitted_by, state, round, digest, panel,
                          opened_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'COLLECTING', $8, $9, $10::json, COALESCE($11, now()))
ON CONFLICT (id) DO NOTHING

-- step: kept
UPDATE peer_reviews
SET job_id = $2, state = $3, round = $4, digest = $5, panel = $6::json, opened_at = $7, replaced_at = $8,
    closed_at = $9, ruling = $10::json, earlier = $11::json, submitted_by = $12
WHERE id = $1

-- step: cast
-- What was cast stays as it was cast.
INSERT INTO peer_ballots (review_id, round, seat, role, digest, verdict, severity, findings, confidence, reason,
                          policy_version, model, cast_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::json, $9, $10, $11, $12, $13)
ON CONFLICT (review_id, round, seat) DO NOTHING
