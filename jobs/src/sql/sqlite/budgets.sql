-- Up to ?2 accounts after that of tenant ?1, in the order of their names.
SELECT tenant_id, total_limit, period, spent, reserved, period_start, turn, told, told_limit
FROM budget_limits WHERE ?1 IS NULL OR tenant_id > ?1
ORDER BY tenant_id LIMIT ?2
