-- By how much the accounts are off from what they sum up. One statement, so that all of it is as of one moment.
WITH open AS MATERIALIZED (
    SELECT tenant_id, trees, amount FROM budget_reservations WHERE state IN ('held', 'unsettled')
), of_tenants AS (
    SELECT tenant_id, sum(amount) AS amount FROM open GROUP BY tenant_id
), of_trees AS (
    SELECT t.job_id, sum(o.amount) AS amount FROM open o CROSS JOIN unnest(o.trees) AS t(job_id) GROUP BY t.job_id
), ledger AS (
    SELECT l.tenant_id, COALESCE(sum(g.amount), 0) AS amount
    FROM budget_limits l
    LEFT JOIN budget_ledger g ON g.account = 'tenant' AND g.tenant_id = l.tenant_id AND g.turn = l.turn
    GROUP BY l.tenant_id
)
SELECT COALESCE((SELECT sum(abs(l.reserved - COALESCE(o.amount, 0)))
                 FROM budget_limits l LEFT JOIN of_tenants o ON o.tenant_id = l.tenant_id), 0)::bigint
           AS tenants_reserved,
       COALESCE((SELECT sum(abs(l.spent - g.amount))
                 FROM budget_limits l JOIN ledger g ON g.tenant_id = l.tenant_id), 0)::bigint AS tenants_spent,
       COALESCE((SELECT sum(abs(COALESCE(b.reserved, 0) - COALESCE(o.amount, 0)))
                 FROM (SELECT job_id, reserved FROM budget_trees WHERE reserved <> 0) b
                 FULL JOIN of_trees o ON o.job_id = b.job_id), 0)::bigint AS trees_reserved
