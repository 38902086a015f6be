-- Counts the children that runs wait for where not every one was new: one named twice counts
-- once, one that was recorded before is waited for unless it has ended.
-- $1 parents and $2 children, pair by pair, $3 the held clock. Answers the roles of the
-- parents that need not wait.
WITH named AS MATERIALIZED (
    SELECT DISTINCT parent, child FROM unnest($1::uuid[], $2::uuid[]) AS n(parent, child)
), adopted AS (
    UPDATE jobs j SET awaited = true, parent_id = n.parent FROM named n
    WHERE j.id = n.child AND j.finished_at IS NULL
    RETURNING n.parent
), counted AS (
    UPDATE jobs p
    SET pending_children = c.open,
        state = CASE WHEN c.open = 0 THEN 'queued' ELSE p.state END,
        run_at = CASE WHEN c.open = 0 THEN COALESCE($3, now()) ELSE p.run_at END
    FROM (SELECT n.parent, (SELECT count(*)::integer FROM adopted a WHERE a.parent = n.parent) AS open
          FROM (SELECT DISTINCT parent FROM named) n) c
    WHERE p.id = c.parent AND p.state = 'waiting'
    RETURNING p.id, p.role, p.priority, p.state
), resumed AS (
    INSERT INTO ready (role, priority, id) SELECT role, priority, id FROM counted WHERE state = 'queued'
    RETURNING role
)
SELECT role FROM resumed
