-- Makes a job that is due later due now. $3 the held clock.
WITH taken AS (
    DELETE FROM scheduled s USING jobs j
    WHERE s.id = $2 AND j.id = s.id AND j.tenant_id = $1
    RETURNING s.id, s.role, s.priority
), hastened AS (
    UPDATE jobs j SET state = 'queued', run_at = COALESCE($3, now()) FROM taken t WHERE j.id = t.id
), made_ready AS (
    INSERT INTO ready (role, priority, id) SELECT role, priority, id FROM taken
)
SELECT id, role FROM taken
