SELECT id, tenant_id, name, live, last, created_at, updated_at
FROM functions WHERE tenant_id = ?1 AND name = ?2 AND live IS NOT NULL
