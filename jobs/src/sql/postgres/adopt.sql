-- Counts the children that runs wait for where not every one was new. One named twice counts
-- once. One that was recorded before is waited for if it has not ended and is of the same
-- tenant and no other parent's; a job never waits for itself.
-- $1 parents and $2 children, pair by pair, $3 the held clock. Answers the roles of the
-- parents that need not wait. Rows are taken in one order by all.
WITH named AS MATERIALIZED (
    SELECT DISTINCT parent, child FROM unnest($1::uuid[], $2::uuid[]) AS n(parent, child)
), open AS MATERIALIZED (
    SELECT n.parent, c.id
    FROM named n JOIN jobs p ON p.id = n.parent JOIN jobs c ON c.id = n.child
    WHERE c.id <> n.parent AND c.finished_at IS NULL
      -- The first half is what was recorded just now.
      AND (c.awaited AND c.parent_id = n.parent
           OR c.tenant_id = p.tenant_id AND (c.parent_id IS NULL OR c.parent_id = n.parent))
    ORDER BY c.id
    FOR NO KEY UPDATE OF c
), adopted AS (
    UPDATE jobs j SET awaited = true, parent_id = o.parent FROM open o WHERE j.id = o.id
    RETURNING o.parent
), counted AS (
    UPDATE jobs p
    SET pending_children = c.open,
        state = CASE WHEN c.open = 0 THEN 'queued' ELSE p.state END,
        run_at = CASE WHEN c.open = 0 THEN COALESCE($3, now()) ELSE p.run_at END
    FROM (SELECT n.parent, (SELECT count(*)::integer FROM adopted a WHERE a.parent = n.parent) AS open
          FROM (SELECT DISTINCT parent FROM named) n) c
    WHERE p.id = c.parent AND p.state = 'waiting'
    RETURNING p.id, p.role, p.tenant_id, p.priority, p.state
), resumed AS MATERIALIZED (
    SELECT make_ready(array_agg(id), array_agg(role), array_agg(tenant_id), array_agg(priority), true)
    FROM counted WHERE state = 'queued'
)
SELECT role FROM counted CROSS JOIN resumed WHERE state = 'queued'
