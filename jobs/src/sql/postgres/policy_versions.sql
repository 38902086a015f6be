-- Versions of the policy of tenant $1 and role $2, newest first, those before $3 where it is not null; at most $4.
SELECT version, document::text AS document, content_sha256, created_by, created_at FROM agent_policies
WHERE tenant_id = $1 AND role = $2 AND ($3::integer IS NULL OR version < $3)
ORDER BY version DESC LIMIT $4
