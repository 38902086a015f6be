-- What a look of a guard came to.

-- step: held
-- Guard $1, if it is the turn of worker $2, held until the transaction ends. $3 the held clock.
SELECT remedied, failures, escalated, COALESCE($3, now()) AS at FROM guards
WHERE name = $1 AND worker_id = $2
FOR UPDATE

-- step: kept
UPDATE guards SET remedied = $2, failures = $3, escalated = $4 WHERE name = $1
