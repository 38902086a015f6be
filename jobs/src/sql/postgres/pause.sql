-- Pauses the queue of tenant $2 in role $1; '' is the role itself, which needs no gate since
-- every claim asks for it. $3 by whom, $4 the held clock.
INSERT INTO queues AS q (role, tenant_id, paused, paused_by, paused_at, gated, unswept, gate_moved_at)
SELECT $1, $2, true, $3, COALESCE($4, now()), $2 <> '', $2 <> '', CASE WHEN $2 <> '' THEN COALESCE($4, now()) END
ON CONFLICT (role, tenant_id) DO UPDATE
SET paused = true, gated = excluded.gated, unswept = excluded.unswept,
    paused_by = CASE WHEN q.paused THEN q.paused_by ELSE excluded.paused_by END,
    paused_at = CASE WHEN q.paused THEN q.paused_at ELSE excluded.paused_at END,
    gate_moved_at = excluded.gate_moved_at
-- Whether it went on until now.
RETURNING paused_at = COALESCE($4, now()) AND paused_by = $3 AS changed
