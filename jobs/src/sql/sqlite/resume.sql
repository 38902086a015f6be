-- Lets the queue of tenant ?2 in role ?1 go on. Its gate opens once what was parked is through.
UPDATE queues SET paused = 0, paused_by = NULL, paused_at = NULL
WHERE role = ?1 AND tenant_id = ?2 AND paused
