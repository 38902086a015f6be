INSERT INTO workers (id, host, pid, roles, capacities, version, started_at, heartbeat_at)
VALUES ($1, $2, $3, $4, $5, $6, COALESCE($7, now()), COALESCE($7, now()))
ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at
