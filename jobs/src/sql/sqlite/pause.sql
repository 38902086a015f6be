-- Pauses the queue of tenant ?2 in role ?1; '' is the role itself, which needs no gate since
-- every claim asks for it. ?3 by whom, ?4 now.
INSERT INTO queues AS q (role, tenant_id, paused, paused_by, paused_at, gated, unswept, gate_moved_at)
VALUES (?1, ?2, 1, ?3, ?4, ?2 <> '', ?2 <> '', CASE WHEN ?2 <> '' THEN ?4 END)
ON CONFLICT (role, tenant_id) DO UPDATE
SET paused = 1, gated = excluded.gated, unswept = excluded.unswept,
    paused_by = CASE WHEN q.paused THEN q.paused_by ELSE excluded.paused_by END,
    paused_at = CASE WHEN q.paused THEN q.paused_at ELSE excluded.paused_at END,
    gate_moved_at = excluded.gate_moved_at
-- Whether it went on until now.
RETURNING paused_at = ?4 AND paused_by = ?3 AS changed
