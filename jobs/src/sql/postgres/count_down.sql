-- Counts ended children off their parents: $1 parents in order, so that two batches which
-- share some wait for each other instead of locking each other out, $2 how many ended,
-- $3 the held clock. Answers the roles of the parents that go on.
SELECT role
FROM (SELECT count_down(parent, ended, COALESCE($3, now())) AS role
      FROM unnest($1::uuid[], $2::bigint[]) AS c(parent, ended)
      OFFSET 0) AS counted -- Keeps the planner from calling the function once for each use of `role`.
WHERE role IS NOT NULL
