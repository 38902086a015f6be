-- ?1 the tenant, ?2 the endpoint.

-- step: rotated
-- Unless there is an old secret already that somebody still counts on. ?3 the new secret, ?4 until when
-- the old one signs as well, ?5 now.
UPDATE webhook_endpoints
SET old_secret = CASE WHEN ?4 > ?5 THEN secret END, old_secret_until = CASE WHEN ?4 > ?5 THEN ?4 END,
    secret = ?3, updated_at = ?5
WHERE tenant_id = ?1 AND id = ?2 AND (?4 <= ?5 OR old_secret_until IS NULL OR old_secret_until <= ?5)
RETURNING id, tenant_id, url, description, events, kinds, format, thin, failing_since, disabled_at, disabled_reason,
          CASE WHEN old_secret_until > ?5 THEN old_secret_until END AS old_secret_until,
          created_at, updated_at

-- step: revoked
-- ?3 now.
UPDATE webhook_endpoints SET old_secret = NULL, old_secret_until = NULL, updated_at = ?3
WHERE tenant_id = ?1 AND id = ?2 AND old_secret IS NOT NULL
RETURNING id, tenant_id, url, description, events, kinds, format, thin, failing_since, disabled_at, disabled_reason,
          CASE WHEN old_secret_until > ?3 THEN old_secret_until END AS old_secret_until,
          created_at, updated_at
