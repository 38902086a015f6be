-- Lets the queue of tenant $2 in role $1 go on. Its gate opens once admit() has let through what
-- was parked.
UPDATE queues SET paused = false, paused_by = NULL, paused_at = NULL
WHERE role = $1 AND tenant_id = $2 AND paused
