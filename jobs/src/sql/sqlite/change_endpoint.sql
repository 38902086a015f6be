-- What is null stays as it is. ?1 the tenant, ?2 id, ?3 url, ?4 description, ?5 events, ?6 kinds,
-- ?7 format, ?8 thin, ?9 whether it is to be enabled, ?10 now.
UPDATE webhook_endpoints
SET url = COALESCE(?3, url), description = COALESCE(?4, description), events = COALESCE(?5, events),
    kinds = COALESCE(?6, kinds), format = COALESCE(?7, format), thin = COALESCE(?8, thin),
    -- Who enables it or sends it elsewhere gives it a new start; one that is disabled keeps its first reason.
    failing_since = CASE WHEN ?9 OR ?3 <> url THEN NULL ELSE failing_since END,
    disabled_at = CASE WHEN ?9 THEN NULL WHEN NOT ?9 THEN COALESCE(disabled_at, ?10) ELSE disabled_at END,
    disabled_reason = CASE WHEN ?9 THEN NULL WHEN NOT ?9 THEN COALESCE(disabled_reason, 'asked')
                           ELSE disabled_reason END,
    updated_at = ?10
WHERE tenant_id = ?1 AND id = ?2
RETURNING id, tenant_id, url, description, events, kinds, format, thin, failing_since, disabled_at, disabled_reason,
          CASE WHEN old_secret_until > ?10 THEN old_secret_until END AS old_secret_until,
          created_at, updated_at
