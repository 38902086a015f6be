-- What a look of a guard came to.

-- step: held
-- Guard ?1, if it is the turn of worker ?2.
SELECT remedied, failures, escalated FROM guards WHERE name = ?1 AND worker_id = ?2

-- step: kept
UPDATE guards SET remedied = ?2, failures = ?3, escalated = ?4 WHERE name = ?1
