-- step: counted
-- How many endpoints tenant $1 has.
SELECT count(*) FROM webhook_endpoints WHERE tenant_id = $1

-- step: added
-- $1 id, $2 tenant, $3 url, $4 description, $5 events, $6 kinds, $7 format, $8 thin, $9 secret,
-- $10 the held clock.
INSERT INTO webhook_endpoints (id, tenant_id, url, description, events, kinds, format, thin, secret, created_at,
                               updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, COALESCE($10, now()), COALESCE($10, now()))
RETURNING id, tenant_id, url, description, events, kinds, format, thin, failing_since, disabled_at, disabled_reason,
          CASE WHEN old_secret_until > COALESCE($10, now()) THEN old_secret_until END AS old_secret_until,
          created_at, updated_at
