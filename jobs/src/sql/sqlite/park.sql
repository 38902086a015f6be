-- Parks what was ready when gates closed. Claims pass over it already.

-- step: parked
-- Up to ?1 jobs.
UPDATE ready SET parked = 1, admitted = 0
WHERE id IN (SELECT r.id FROM queues q
             CROSS JOIN ready r ON r.role = q.role AND r.parked = 0 AND r.tenant_id = q.tenant_id
             WHERE q.gate_moved_at IS NOT NULL AND q.gated AND q.unswept AND (q.paused OR NOT r.admitted)
             LIMIT ?1)

-- step: swept
-- Nothing was left: there is one writer, so nothing comes after the gate.
UPDATE queues SET unswept = 0 WHERE gate_moved_at IS NOT NULL AND unswept
