-- The first ready rows of role $1. Before `claimable.sql` and `claim.sql`.
WITH picked AS (
SELECT ctid FROM ready
WHERE role = $1 AND NOT parked
