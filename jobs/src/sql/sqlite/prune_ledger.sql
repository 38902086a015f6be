-- Removes rows of the ledger that are past their time. What the period under way has spent stays the sum of its rows.

-- step: gone
-- Up to ?1 rows that were written at ?2 or before.
DELETE FROM budget_ledger WHERE (reservation_id, account) IN (
    SELECT reservation_id, account FROM budget_ledger WHERE at <= ?2 ORDER BY at LIMIT ?1)
RETURNING account, tenant_id, turn, amount

-- step: summed
-- Row ?1 for what tenant ?2 spent in turn ?3, ?4 together, if that is under way; of no reservation and no job. ?5 now.
INSERT INTO budget_ledger (reservation_id, account, tenant_id, job_id, turn, amount, at)
SELECT ?1, 'tenant', tenant_id, zeroblob(16), turn, ?4, ?5 FROM budget_limits WHERE tenant_id = ?2 AND turn = ?3
