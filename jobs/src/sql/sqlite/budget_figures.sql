-- The ?1 accounts that most is spent of, and all others as one without a name. ?2 the default limit, ?3 the default period,
-- ?4 and ?5 when the day and the month began. Of a period that is over nothing is spent, though nobody has looked at the
-- account since.
WITH accounts AS (
    SELECT tenant_id, COALESCE(total_limit, ?2) AS most, reserved,
           CASE COALESCE(period, ?3) WHEN 'day' THEN iif(period_start < ?4, 0, spent)
                                     WHEN 'month' THEN iif(period_start < ?5, 0, spent)
                                     ELSE spent END AS spent
    FROM budget_limits
), waits AS (
    SELECT tenant_id, count(*) AS jobs FROM budget_waits GROUP BY tenant_id
), ranked AS (
    SELECT a.*, COALESCE(w.jobs, 0) AS waiting,
           row_number() OVER (ORDER BY a.spent + a.reserved DESC, a.tenant_id) AS place
    FROM accounts a LEFT JOIN waits w ON w.tenant_id = a.tenant_id
)
SELECT max(CASE WHEN place <= ?1 THEN tenant_id END) AS tenant_id,
       CAST(min(total(most), 9e18) AS INTEGER) AS most, CAST(min(total(spent), 9e18) AS INTEGER) AS spent,
       CAST(min(total(reserved), 9e18) AS INTEGER) AS reserved, sum(waiting) AS waiting
FROM ranked GROUP BY min(place, ?1 + 1)
