-- What there is to say of breakers, as process $1 sees it; $2 ms a vote counts after its time, and while its
-- voter is alive: one that drains takes nothing new. At most $3, $4 the held clock.
WITH voted AS MATERIALIZED (
    SELECT v.name, count(w.id) AS votes, COALESCE(bool_or(v.voter = $1), false) AS mine,
           COALESCE(max(v.opened) FILTER (WHERE w.id IS NOT NULL), 0) AS opened,
           max(v.until) FILTER (WHERE w.id IS NOT NULL) AS until
    FROM circuit_breaker_votes v LEFT JOIN workers w ON w.id = v.voter AND w.draining_at IS NULL
    WHERE v.until > COALESCE($4, now()) - $2 * interval '1 millisecond'
    GROUP BY v.name
), named AS (
    SELECT name FROM voted UNION SELECT name FROM circuit_breakers WHERE until > COALESCE($4, now())
)
SELECT n.name, COALESCE(v.votes, 0) AS votes, COALESCE(v.mine, false) AS mine, COALESCE(v.opened, 0) AS opened,
       (extract(epoch FROM v.until - COALESCE($4, now())) * 1000)::bigint AS open_ms,
       CASE WHEN b.until > COALESCE($4, now()) THEN b.state END AS state,
       (extract(epoch FROM b.until - COALESCE($4, now())) * 1000)::bigint AS left_ms, b.reason, b.set_by,
       CASE WHEN b.tried_by IS DISTINCT FROM $1
            THEN (extract(epoch FROM b.tried_until - COALESCE($4, now())) * 1000)::bigint END AS tried_ms
FROM named n
LEFT JOIN voted v ON v.name = n.name
LEFT JOIN circuit_breakers b ON b.name = n.name
ORDER BY b.until IS NULL, v.votes IS NULL, v.votes DESC, n.name
LIMIT $3
