-- Removes up to $1 rows of the ledger that were written $2 ms ago or longer. What the period under way has spent stays the
-- sum of its rows: those of it become one row a tenant, written now, which is of no reservation and no job. $3 the held
-- clock. Answers how many went.
WITH old AS MATERIALIZED (
    SELECT ctid FROM budget_ledger WHERE at <= COALESCE($3, now()) - $2 * interval '1 millisecond'
    ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM budget_ledger WHERE ctid = ANY (ARRAY (SELECT ctid FROM old))
    RETURNING account, tenant_id, turn, amount
), summed AS (
    INSERT INTO budget_ledger (reservation_id, account, tenant_id, job_id, turn, amount, at)
    SELECT uuid_v7(), 'tenant', l.tenant_id, '00000000-0000-0000-0000-000000000000', l.turn, sum(g.amount),
           COALESCE($3, now())
    -- An account whose turn ends at this moment has a sum of a turn that is over, which goes with the next.
    FROM gone g JOIN budget_limits l ON l.tenant_id = g.tenant_id AND l.turn = g.turn
    WHERE g.account = 'tenant'
    GROUP BY l.tenant_id, l.turn
)
SELECT count(*) FROM gone
