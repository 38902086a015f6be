-- What job ?1 and all jobs below it have cost. Jobs that adopted each other are met once.
WITH RECURSIVE tree (id, cost_micros) AS (
    SELECT id, cost_micros FROM jobs WHERE id = ?1
    UNION
    SELECT j.id, j.cost_micros FROM tree CROSS JOIN jobs j ON j.parent_id = tree.id
)
SELECT COALESCE(sum(cost_micros), 0) FROM tree
