-- A job's place among jobs.

-- step: above
-- How many jobs are above job ?1, up to ?2.
WITH RECURSIVE above (parent_id, depth) AS (
    SELECT parent_id, 0 FROM jobs WHERE id = ?1
    UNION ALL
    SELECT j.parent_id, above.depth + 1 FROM above CROSS JOIN jobs j ON j.id = above.parent_id WHERE above.depth < ?2
)
SELECT COALESCE(max(depth), 0) FROM above

-- step: below
SELECT id FROM jobs WHERE parent_id = ?1
