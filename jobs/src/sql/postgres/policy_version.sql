-- Version $3 of the policy of tenant $1 and role $2.
SELECT version, document::text AS document, content_sha256, created_by, created_at FROM agent_policies
WHERE tenant_id = $1 AND role = $2 AND version = $3
