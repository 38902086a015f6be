-- Up to $2 accounts after that of tenant $1, in the order of their names, with who waits for them. $3 the held clock.
SELECT b.tenant_id, b.total_limit, b.period, b.spent, b.reserved, b.period_start, b.turn, b.told, b.told_limit,
       (SELECT count(*) FROM budget_waits w WHERE w.tenant_id = b.tenant_id) AS waiting,
       (SELECT min(need) FROM budget_waits w WHERE w.tenant_id = b.tenant_id) AS least_need,
       COALESCE($3, now()) AS at
FROM budget_limits b WHERE $1::text IS NULL OR b.tenant_id > $1
ORDER BY b.tenant_id LIMIT $2
