-- Event $2 with data $3, for whoever listens to tenant $1. $4 the held clock.
INSERT INTO outbox (id, tenant_id, event, data, created_at)
SELECT uuid_v7(), $1, $2, $3::json, COALESCE($4, now())
WHERE EXISTS (SELECT FROM listeners WHERE tenant_id IN ($1, '') AND until > COALESCE($4, now()))
