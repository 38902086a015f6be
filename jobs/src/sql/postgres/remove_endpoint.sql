-- What is under way to it ends by itself. $1 the tenant, $2 id.
DELETE FROM webhook_endpoints WHERE tenant_id = $1 AND id = $2
