-- Makes job $2 of tenant $1, which is due later, due now. $3 the held clock.
WITH taken AS (
    DELETE FROM scheduled WHERE tenant_id = $1 AND id = $2 RETURNING id, role, tenant_id, priority
), hastened AS (
    UPDATE jobs j SET state = 'queued', run_at = COALESCE($3, now()) FROM taken t WHERE j.id = t.id
), made_ready AS MATERIALIZED (
    SELECT make_ready(array_agg(id), array_agg(role), array_agg(tenant_id), array_agg(priority), false) FROM taken
)
SELECT id, role FROM taken CROSS JOIN made_ready
