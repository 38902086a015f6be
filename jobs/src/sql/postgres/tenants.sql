-- Makes tenants known. $1 ids, $2 fresh secrets, $3 the held clock.
INSERT INTO tenants (id, callback_secret, created_at)
SELECT id, secret, COALESCE($3, now()) FROM unnest($1::text[], $2::bytea[]) AS t(id, secret)
ORDER BY id
ON CONFLICT (id) DO NOTHING
