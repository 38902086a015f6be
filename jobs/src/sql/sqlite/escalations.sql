-- A page of a list of escalations, newest first. Before this text comes one of the files in `escalations/`, which says
-- where to look: `looked` are ids, all that may match among them. No more than ?7 are looked at. Where they do not fill
-- the page, `looked_to` is the last of them; it is null where there are no more.
-- ?1 the tenant, ?2 only those before; ?3 state, ?4 about, ?5 subject, ?6 severity, null for any; ?8 at most so many.
, horizon AS MATERIALIZED (
    SELECT id FROM looked ORDER BY id DESC LIMIT 1 OFFSET ?7 - 1
), page AS MATERIALIZED (
    SELECT e.id FROM looked l CROSS JOIN escalations e ON e.id = l.id
    WHERE e.tenant_id = ?1 AND ((SELECT id FROM horizon) IS NULL OR l.id >= (SELECT id FROM horizon))
      AND (?3 IS NULL OR e.state = ?3)
      AND (?4 IS NULL OR e.about = ?4)
      AND (?5 IS NULL OR e.subject = ?5)
      AND (?6 IS NULL OR e.severity = ?6)
    ORDER BY l.id DESC
    LIMIT ?8
)
SELECT b.looked_to, e.id, e.tenant_id, e.job_id, e.about, e.subject, e.reason, e.severity, e.state, e.opened_at,
       e.acknowledged_by, e.acknowledged_at, e.resolution, e.note, e.resolved_by, e.resolved_at
FROM (SELECT CASE WHEN (SELECT count(*) FROM page) < ?8 THEN (SELECT id FROM horizon) END AS looked_to) b
LEFT JOIN page p ON true
LEFT JOIN escalations e ON e.id = p.id
ORDER BY e.id DESC
