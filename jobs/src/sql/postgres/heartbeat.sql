-- One update a heartbeat, however many jobs the process holds. $2 the held clock.
UPDATE workers SET heartbeat_at = COALESCE($2, now()) WHERE id = $1
RETURNING draining_at IS NOT NULL AS draining
