-- Cancels job ?2 of tenant ?1 and all below it: what waits ends now, what runs is asked to
-- stop.

-- step: tree
WITH RECURSIVE tree (id) AS (
    SELECT id FROM jobs WHERE id = ?2 AND tenant_id = ?1
    UNION
    SELECT c.id FROM tree CROSS JOIN jobs c ON c.parent_id = tree.id
)
SELECT j.id, j.finished_at IS NULL AS open, r.id IS NOT NULL AS running,
       COALESCE(r.cancel, 0) AS asked, j.kind = 'escalation' AS asks_human
FROM tree
CROSS JOIN jobs j ON j.id = tree.id
LEFT JOIN running r ON r.id = j.id

-- step: flagged
-- ?1: ids.
UPDATE running SET cancel = 1 WHERE id IN (SELECT unhex(value) FROM json_each(?1))

-- step: unfunded
-- ?1: ids.
DELETE FROM budget_waits WHERE job_id IN (SELECT unhex(value) FROM json_each(?1))

-- step: ended
-- ?1: ids, ?2: now.
UPDATE jobs SET state = 'cancelled', finished_at = ?2, pending_children = 0
WHERE id IN (SELECT unhex(value) FROM json_each(?1))
