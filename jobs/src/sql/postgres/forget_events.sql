-- $1 the age from which they go, in ms, $2 at most so many, $3 the held clock.

-- step: events
DELETE FROM events WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM events WHERE at < COALESCE($3, now()) - $1 * interval '1 millisecond' ORDER BY at LIMIT $2
))

-- step: listeners
-- Those whose time is over. $1 the held clock.
DELETE FROM listeners WHERE until <= COALESCE($1, now())
