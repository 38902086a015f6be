-- A page of a list of jobs, newest first: ids are UUIDv7 and sort by time. Before this text comes one
-- of the files in `jobs/`, which says where to look: `looked` are the ids of $10 jobs at most, among
-- them all that match, in that order. Where they do not fill the page, `looked_to` is the last of
-- them; it is null where there are no more.
-- $1 the tenant, $2 kind, $3 role, $4 state, $5 and $6 created not before and before, all of which may
-- be null but the tenant; $7 and $8 the ids that this leaves, from and up to, $9 at most so many,
-- $10 so many to look at, $11 an object that the metadata must hold or null, $12 the parent or null.
--
-- The state is what `job_view` shows, without laying it over every job that is looked at.
-- Metadata may hold escapes that no text of PostgreSQL can (\u0000, half of a surrogate pair): then it
-- is not looked into.
, page AS MATERIALIZED (
    SELECT j.id FROM looked l JOIN jobs j ON j.id = l.id
    WHERE j.tenant_id = $1
      AND ($2::text IS NULL OR j.kind = $2 OR left(j.kind, length($2) + 1) = $2 || '@')
      AND ($3::text IS NULL OR j.role = $3)
      AND ($4::text IS NULL OR $4 = CASE
              WHEN j.finished_at IS NOT NULL OR j.state = 'waiting' THEN j.state
              WHEN EXISTS (SELECT FROM running r WHERE r.id = j.id) THEN 'running'
              WHEN EXISTS (SELECT FROM ready q WHERE q.id = j.id) THEN 'queued'
              ELSE j.state END)
      AND ($5::timestamptz IS NULL OR j.created_at >= $5)
      AND ($6::timestamptz IS NULL OR j.created_at < $6)
      AND ($11::text IS NULL OR CASE
              WHEN j.metadata::text ~ '(^|[^\\])(\\\\)*\\u(0000|[dD][89a-fA-F])' THEN false
              ELSE NOT EXISTS (SELECT FROM json_each_text($11::json) AS w(name, value)
                               WHERE (j.metadata ->> w.name) IS DISTINCT FROM w.value) END)
      AND ($12::uuid IS NULL OR j.parent_id = $12)
    ORDER BY l.id DESC
    LIMIT $9
)
SELECT e.looked_to, v.id, v.tenant_id, v.kind, v.role, v.state, v.priority, v.attempt, v.max_attempts, v.timeout_ms,
       v.payload::text AS payload, v.result::text AS result, v.progress::text AS progress,
       v.metadata::text AS metadata, v.callback_url, v.parent_id, v.error_code, v.error_message, v.error_at,
       v.worker_id, v.cancel_requested, v.run_at, v.created_at, v.started_at, v.finished_at, v.cost_micros, v.max_cost
FROM (SELECT CASE WHEN (SELECT count(*) FROM page) < $9
             THEN (SELECT id FROM looked ORDER BY id DESC OFFSET $10 - 1 LIMIT 1) END AS looked_to) e
LEFT JOIN page p ON true
LEFT JOIN job_view v ON v.id = p.id
ORDER BY v.id DESC
