-- Lets parked jobs of role $1 through, up to $2 of each queue. $3 the held clock.
SELECT moved, more FROM admit($1, $2, COALESCE($3, now()))
