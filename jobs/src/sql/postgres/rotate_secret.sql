-- $1 the tenant, $2 the endpoint.

-- step: rotated
-- Unless there is an old secret already that somebody still counts on. $3 the new secret, $4 for how
-- long the old one signs as well, in ms, $5 the held clock.
UPDATE webhook_endpoints
SET old_secret = CASE WHEN $4 > 0 THEN secret END,
    old_secret_until = CASE WHEN $4 > 0 THEN COALESCE($5, now()) + $4 * interval '1 millisecond' END,
    secret = $3, updated_at = COALESCE($5, now())
WHERE tenant_id = $1 AND id = $2
  AND ($4 = 0 OR old_secret_until IS NULL OR old_secret_until <= COALESCE($5, now()))
RETURNING id, tenant_id, url, description, events, kinds, format, thin, failing_since, disabled_at, disabled_reason,
          CASE WHEN old_secret_until > COALESCE($5, now()) THEN old_secret_until END AS old_secret_until,
          created_at, updated_at

-- step: revoked
-- $3 the held clock.
UPDATE webhook_endpoints SET old_secret = NULL, old_secret_until = NULL, updated_at = COALESCE($3, now())
WHERE tenant_id = $1 AND id = $2 AND old_secret IS NOT NULL
RETURNING id, tenant_id, url, description, events, kinds, format, thin, failing_since, disabled_at, disabled_reason,
          CASE WHEN old_secret_until > COALESCE($3, now()) THEN old_secret_until END AS old_secret_until,
          created_at, updated_at
