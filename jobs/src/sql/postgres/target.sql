-- Where a delivery of tenant $1 to endpoint $2 goes, and what signs it. $3 the held clock.
SELECT url, secret, CASE WHEN old_secret_until > COALESCE($3, now()) THEN old_secret END AS old_secret,
       disabled_at IS NOT NULL AS disabled
FROM webhook_endpoints WHERE tenant_id = $1 AND id = $2
