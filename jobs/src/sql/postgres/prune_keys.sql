-- Up to $1 keys that were taken $2 s ago or longer. $3 the held clock. One that is being taken again just
-- now is stepped over.
DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM idempotency_keys WHERE created_at <= COALESCE($3, now()) - $2 * interval '1 second'
    ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED))
