-- A page of a list of dead letters, newest first. Before this text comes one of the files in
-- `dead_letters/`, which says where to look, as jobs.sql tells of jobs: `looked` are ids up to ?9, all that
-- may match among them. No more than ?12 are looked at. Where they do not fill the page, `looked_to` is the
-- last of them; it is null where there are no more.
-- ?1 the tenant, ?2 ids, ?3 kind, ?4 subject, ?5 a piece of the error, ?6 and ?7 died not before and
-- before, all of which may be null but the tenant; ?8 and ?9 the ids that this leaves, from and up to,
-- ?10 whether resolved ones count as well, ?11 at most so many, ?12 so many to look at.
--
-- SQLite's lower() knows ASCII only: other letters must match in case.
, horizon AS MATERIALIZED (
    SELECT id FROM looked WHERE id >= ?8 ORDER BY id DESC LIMIT 1 OFFSET ?12 - 1
), page AS MATERIALIZED (
    SELECT d.id FROM looked l CROSS JOIN dlq_messages d ON d.id = l.id
    WHERE d.tenant_id = ?1 AND l.id >= max(?8, COALESCE((SELECT id FROM horizon), ?8))
      AND (?2 IS NULL OR d.id IN (SELECT unhex(value) FROM json_each(?2)))
      AND (?3 IS NULL OR d.kind = ?3 OR substr(d.kind, 1, length(?3) + 1) = ?3 || '@')
      AND (?4 IS NULL OR d.original_subject = ?4)
      AND (?5 IS NULL OR instr(lower(d.error), lower(?5)) > 0)
      AND (?6 IS NULL OR d.created_at >= ?6)
      AND (?7 IS NULL OR d.created_at < ?7)
      AND (?10 OR NOT d.resolved)
    ORDER BY l.id DESC
    LIMIT ?11
)
SELECT e.looked_to, d.id, d.tenant_id, d.job_id, d.original_subject, d.kind, d.role, d.payload, d.error_code,
       d.error, d.attempts, d.created_at, d.resolved, d.resolution, d.resolved_by, d.resolved_at
FROM (SELECT CASE WHEN (SELECT count(*) FROM page) < ?11
             THEN (SELECT id FROM horizon) END AS looked_to) e
LEFT JOIN page p ON true
LEFT JOIN dlq_messages d ON d.id = p.id
ORDER BY d.id DESC
