-- The account of tenant ?1.
SELECT tenant_id, total_limit, period, spent, reserved, period_start, turn, told, told_limit
FROM budget_limits WHERE tenant_id = ?1
