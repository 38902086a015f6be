-- What was reserved is spent.

-- step: open
-- Unless another run than ?2 has reservation ?1 by now, where one is named.
SELECT tenant_id, job_id, amount, trees FROM budget_reservations
WHERE id = ?1 AND state IN ('held', 'unsettled') AND (?2 IS NULL OR run_lease = ?2)

-- step: settled
UPDATE budget_reservations SET state = 'settled' WHERE id = ?1

-- step: written
-- ?2: accounts.
INSERT INTO budget_ledger (reservation_id, account, tenant_id, job_id, turn, amount, at)
SELECT ?1, value, ?3, ?4, ?5, ?6, ?7 FROM json_each(?2)

-- step: cost
UPDATE jobs SET cost_micros = cost_micros + ?2 WHERE id = ?1
