-- The ready rows of role $1 among the jobs $5. Before `claimable.sql` and `claim.sql`.
-- The role and `parked` are written so that no index knows them: each row is found by its id, however the
-- planner believes the role to be filled.
WITH picked AS (
SELECT ctid FROM ready
WHERE id = ANY ($5) AND role || '' = $1 AND COALESCE(parked, true) IS FALSE
