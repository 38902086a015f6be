-- The account of tenant $1, if it has one, who waits for it, and the time. $2 the held clock.
SELECT b.tenant_id, b.total_limit, b.period, b.spent, b.reserved, b.period_start, b.turn, b.told, b.told_limit,
       (SELECT count(*) FROM budget_waits w WHERE w.tenant_id = $1) AS waiting,
       (SELECT min(need) FROM budget_waits w WHERE w.tenant_id = $1) AS least_need,
       COALESCE($2, now()) AS at
FROM (SELECT 1) one LEFT JOIN budget_limits b ON b.tenant_id = $1
