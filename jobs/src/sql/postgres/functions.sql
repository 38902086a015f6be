-- The functions of tenant $1, newest first: at most $3, those before $2.
SELECT id, tenant_id, name, live, last, created_at, updated_at
FROM functions
WHERE tenant_id = $1 AND live IS NOT NULL AND ($2::uuid IS NULL OR id < $2)
ORDER BY id DESC
LIMIT $3
