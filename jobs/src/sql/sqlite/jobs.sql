-- A page of a list of jobs, newest first: ids are UUIDv7 and sort by time. Before this text comes one
-- of the files in `jobs/`, which says where to look: `looked` are ids up to ?8, all that may match
-- among them. No more than ?10 are looked at. Where they do not fill the page, `looked_to` is the last of them; it
-- is null where there are no more.
-- ?1 the tenant, ?2 kind, ?3 role, ?4 state, ?5 and ?6 created not before and before, all of which may
-- be null but the tenant; ?7 and ?8 the ids that this leaves, from and up to, ?9 at most so many,
-- ?10 so many to look at, ?11 an object that the metadata must hold or null, ?12 the parent or null.
--
-- The state is what `job_view` shows, without laying it over every job that is looked at.
, horizon AS MATERIALIZED (
    SELECT id FROM looked WHERE id >= ?7 ORDER BY id DESC LIMIT 1 OFFSET ?10 - 1
), page AS MATERIALIZED (
    SELECT j.id FROM looked l CROSS JOIN jobs j ON j.id = l.id
    WHERE l.id >= max(?7, COALESCE((SELECT id FROM horizon), ?7)) AND j.tenant_id = ?1
      AND (?2 IS NULL OR j.kind = ?2 OR substr(j.kind, 1, length(?2) + 1) = ?2 || '@')
      AND (?3 IS NULL OR j.role = ?3)
      AND (?4 IS NULL OR ?4 = CASE
              WHEN j.finished_at IS NOT NULL OR j.state = 'waiting' THEN j.state
              WHEN EXISTS (SELECT 1 FROM running r WHERE r.id = j.id) THEN 'running'
              WHEN EXISTS (SELECT 1 FROM ready q WHERE q.id = j.id) THEN 'queued'
              ELSE j.state END)
      AND (?5 IS NULL OR j.created_at >= ?5)
      AND (?6 IS NULL OR j.created_at < ?6)
      AND (?11 IS NULL OR NOT EXISTS (
              SELECT 1 FROM json_each(?11) AS wanted
              WHERE NOT EXISTS (SELECT 1 FROM json_each(j.metadata) AS has
                                WHERE has.key = wanted.key AND has.type = 'text' AND has.value = wanted.value)))
      AND (?12 IS NULL OR j.parent_id = ?12)
    ORDER BY l.id DESC
    LIMIT ?9
)
SELECT e.looked_to, v.id, v.tenant_id, v.kind, v.role, v.state, v.priority, v.attempt, v.max_attempts, v.timeout_ms,
       v.payload, v.result, v.progress, v.metadata, v.callback_url, v.parent_id, v.error_code, v.error_message,
       v.error_at, v.worker_id, v.cancel_requested, v.run_at, v.created_at, v.started_at, v.finished_at,
       v.cost_micros, v.max_cost
FROM (SELECT CASE WHEN (SELECT count(*) FROM page) < ?9
             THEN (SELECT id FROM horizon) END AS looked_to) e
-- Within brackets, or the view would be laid over all jobs there are.
LEFT JOIN (SELECT w.* FROM page p CROSS JOIN job_view w ON w.id = p.id) v ON true
ORDER BY v.id DESC
