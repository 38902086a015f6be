-- Up to $2 accounts after that of tenant $1, in the order of their names. $3 the held clock.
SELECT tenant_id, total_limit, period, spent, reserved, period_start, turn, told, told_limit, COALESCE($3, now()) AS at
FROM budget_limits WHERE $1::text IS NULL OR tenant_id > $1
ORDER BY tenant_id LIMIT $2
