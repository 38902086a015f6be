-- The $1 accounts that most is spent of, and all others as one without a name. $2 the default limit, $3 the default period,
-- $4 the held clock. Of a period that is over nothing is spent, though nobody has looked at the account since.
WITH accounts AS (
    SELECT tenant_id, COALESCE(total_limit, $2) AS most, reserved,
           CASE COALESCE(period, $3) WHEN 'none' THEN spent
                ELSE CASE WHEN period_start < date_trunc(COALESCE(period, $3), COALESCE($4, now()), 'UTC') THEN 0
                          ELSE spent END
           END AS spent
    FROM budget_limits
), waits AS (
    SELECT tenant_id, count(*) AS jobs FROM budget_waits GROUP BY tenant_id
), ranked AS (
    SELECT a.*, COALESCE(w.jobs, 0) AS waiting,
           row_number() OVER (ORDER BY a.spent + a.reserved DESC, a.tenant_id) AS place
    FROM accounts a LEFT JOIN waits w ON w.tenant_id = a.tenant_id
)
SELECT max(CASE WHEN place <= $1 THEN tenant_id END) AS tenant_id,
       least(sum(most), 9000000000000000000)::bigint AS most, least(sum(spent), 9000000000000000000)::bigint AS spent,
       least(sum(reserved), 9000000000000000000)::bigint AS reserved, sum(waiting)::bigint AS waiting
FROM ranked GROUP BY least(place, $1 + 1)
