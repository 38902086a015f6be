-- The account of tenant ?1, and who waits for it.
SELECT b.tenant_id, b.total_limit, b.period, b.spent, b.reserved, b.period_start, b.turn, b.told, b.told_limit,
       (SELECT count(*) FROM budget_waits w WHERE w.tenant_id = ?1) AS waiting,
       (SELECT min(need) FROM budget_waits w WHERE w.tenant_id = ?1) AS least_need
FROM budget_limits b WHERE b.tenant_id = ?1
