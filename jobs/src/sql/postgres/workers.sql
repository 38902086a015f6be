SELECT id, host, pid, roles, capacities, version, started_at, heartbeat_at, draining_at FROM workers ORDER BY id
