-- Registers a version of function $2 of tenant $1, in one transaction.

-- step: before
-- What is on record of it, which nobody else changes until this is done. $3 an id, should it be new, $4 the
-- held clock. What others wrote while this waited for them is not seen by the counts: they guard the
-- store, and bear that.
INSERT INTO functions AS f (tenant_id, name, id, last, created_at, updated_at)
VALUES ($1, $2, $3, 0, COALESCE($4, now()), COALESCE($4, now()))
ON CONFLICT (tenant_id, name) DO UPDATE SET last = f.last
RETURNING live, last,
          (SELECT digest FROM function_versions v
           WHERE v.tenant_id = $1 AND v.name = $2 AND v.version = f.last) AS newest,
          (SELECT count(*) FROM function_versions v WHERE v.tenant_id = $1 AND v.name = $2) AS versions,
          (SELECT count(*) FROM functions o WHERE o.tenant_id = $1 AND o.live IS NOT NULL) AS functions

-- step: version
-- $3 its number, $4 the definition, $5 its digest, $6 language, $7 size, $8 by whom, $9 the held clock.
INSERT INTO function_versions (tenant_id, name, version, definition, digest, language, size, created_by, created_at)
VALUES ($1, $2, $3, $4::json, $5, $6, $7, $8, COALESCE($9, now()))

-- step: function
-- $3 the newest version, $4 the live one, $5 an id, should there have been none of its name, $6 the held clock.
UPDATE functions
SET last = $3, live = $4, updated_at = COALESCE($6, now()),
    id = CASE WHEN live IS NULL THEN $5 ELSE id END,
    created_at = CASE WHEN live IS NULL THEN COALESCE($6, now()) ELSE created_at END
WHERE tenant_id = $1 AND name = $2
