INSERT INTO workers (id, host, pid, roles, version, started_at, heartbeat_at)
VALUES ($1, $2, $3, $4, $5, COALESCE($6, now()), COALESCE($6, now()))
ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at
