-- A page of a list of dead letters, newest first. Before this text comes one of the files in
-- `dead_letters/`, which says where to look, as jobs.sql tells of jobs: `looked` are the ids of $12
-- letters at most, among them all that match. Where they do not fill the page, `looked_to` is the last of
-- them; it is null where there are no more.
-- $1 the tenant, $2 ids or none, $3 kind, $4 subject, $5 a piece of the error, $6 and $7 died not before
-- and before, all of which may be null but the tenant; $8 and $9 the ids that this leaves, from and up to,
-- $10 whether resolved ones count as well, $11 at most so many, $12 so many to look at.
, page AS MATERIALIZED (
    SELECT d.id FROM looked l JOIN dlq_messages d ON d.id = l.id
    WHERE d.tenant_id = $1
      AND (cardinality($2::uuid[]) = 0 OR d.id = ANY ($2))
      AND ($3::text IS NULL OR d.kind = $3 OR left(d.kind, length($3) + 1) = $3 || '@')
      AND ($4::text IS NULL OR d.original_subject = $4)
      AND ($5::text IS NULL OR position(lower($5) IN lower(d.error)) > 0)
      AND ($6::timestamptz IS NULL OR d.created_at >= $6)
      AND ($7::timestamptz IS NULL OR d.created_at < $7)
      AND ($10 OR NOT d.resolved)
    ORDER BY l.id DESC
    LIMIT $11
)
SELECT e.looked_to, d.id, d.tenant_id, d.job_id, d.original_subject, d.kind, d.role, d.payload::text AS payload,
       d.error_code, d.error, d.attempts, d.created_at, d.resolved, d.resolution, d.resolved_by, d.resolved_at
FROM (SELECT CASE WHEN (SELECT count(*) FROM page) < $11
             THEN (SELECT id FROM looked ORDER BY id DESC OFFSET $12 - 1 LIMIT 1) END AS looked_to) e
LEFT JOIN page p ON true
LEFT JOIN dlq_messages d ON d.id = p.id
ORDER BY d.id DESC
