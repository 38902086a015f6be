-- $1 the tenant.

-- step: shown
-- $2 the held clock.
SELECT callback_secret AS secret,
       CASE WHEN old_callback_until > COALESCE($2, now()) THEN old_callback_secret END AS old_secret,
       old_callback_until AS old_until
FROM tenants WHERE id = $1

-- step: rotated
-- Unless there is an old secret already that somebody still counts on. $2 the new secret, $3 for how
-- long the old one signs as well, in ms, $4 the held clock.
UPDATE tenants
SET old_callback_secret = CASE WHEN $3 > 0 THEN callback_secret END,
    old_callback_until = CASE WHEN $3 > 0 THEN COALESCE($4, now()) + $3 * interval '1 millisecond' END,
    callback_secret = $2
WHERE id = $1 AND ($3 = 0 OR old_callback_until IS NULL OR old_callback_until <= COALESCE($4, now()))
RETURNING callback_secret AS secret, old_callback_secret AS old_secret, old_callback_until AS old_until

-- step: revoked
UPDATE tenants SET old_callback_secret = NULL, old_callback_until = NULL
WHERE id = $1 AND old_callback_secret IS NOT NULL
RETURNING callback_secret AS secret, old_callback_secret AS old_secret, old_callback_until AS old_until
