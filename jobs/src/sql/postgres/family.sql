-- The children of job $1, and how many jobs are above it, up to $2.
WITH RECURSIVE above AS (
    SELECT parent_id, 0 AS depth FROM jobs WHERE id = $1
    UNION ALL
    SELECT j.parent_id, a.depth + 1 FROM above a JOIN jobs j ON j.id = a.parent_id WHERE a.depth < $2
)
SELECT COALESCE((SELECT max(depth) FROM above), 0) AS depth,
       ARRAY (SELECT id FROM jobs WHERE parent_id = $1) AS children
