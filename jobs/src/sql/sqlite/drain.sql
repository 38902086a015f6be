-- Asks worker ?1 to drain. ?2: now.
UPDATE workers SET draining_at = COALESCE(draining_at, ?2) WHERE id = ?1
-- Whether nobody asked before.
RETURNING draining_at = ?2 AS changed
