-- Asks worker $1 to drain. $2 the held clock.
UPDATE workers SET draining_at = COALESCE(draining_at, $2, now()) WHERE id = $1
-- Whether nobody asked before.
RETURNING draining_at = COALESCE($2, now()) AS changed
