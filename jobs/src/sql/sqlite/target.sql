-- Where a delivery to endpoint ?1 goes, and what signs it. ?2 now.
SELECT url, secret, CASE WHEN old_secret_until > ?2 THEN old_secret END AS old_secret,
       disabled_at IS NOT NULL AS disabled
FROM webhook_endpoints WHERE id = ?1
