-- What was reserved is spent.

-- step: job
-- The job of reservation $1, first of all: others hold a job's row before its reservations'.
SELECT j.id FROM budget_reservations b JOIN jobs j ON j.id = b.job_id WHERE b.id = $1
FOR NO KEY UPDATE OF j

-- step: open
-- Unless another run than $2 has it by now, where one is named.
SELECT tenant_id, job_id, amount, trees FROM budget_reservations
WHERE id = $1 AND state IN ('held', 'unsettled') AND ($2::bigint IS NULL OR run_lease = $2)
FOR UPDATE

-- step: settled
UPDATE budget_reservations SET state = 'settled' WHERE id = $1

-- step: written
INSERT INTO budget_ledger (reservation_id, account, tenant_id, job_id, turn, amount, at)
SELECT $1, account, $3, $4, $5, $6, COALESCE($7, now()) FROM unnest($2::text[]) AS account

-- step: cost
UPDATE jobs SET cost_micros = cost_micros + $2 WHERE id = $1
