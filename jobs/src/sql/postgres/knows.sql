-- Whether tenant $1 used key $3 on route $2 within the last $4 seconds. $5 the held clock.
SELECT EXISTS (
    SELECT 1 FROM idempotency_keys
    WHERE tenant_id = $1 AND route = $2 AND key = $3 AND created_at > COALESCE($5, now()) - $4 * interval '1 second')
