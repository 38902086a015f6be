-- The oldest $1 publications that the broker has not taken.
SELECT id, tenant_id, kind, state, job_id, body, trace_context FROM publications ORDER BY id LIMIT $1
