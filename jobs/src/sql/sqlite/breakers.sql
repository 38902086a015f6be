-- What there is to say of breakers, as process ?1 sees it; votes count whose time was over at ?2 or is not yet,
-- while their voter is alive: one that drains takes nothing new. At most ?3, ?4 now. Times left are in µs.
WITH voted AS MATERIALIZED (
    SELECT v.name, count(w.id) AS votes, COALESCE(max(v.voter = ?1), 0) AS mine,
           COALESCE(max(v.opened) FILTER (WHERE w.id IS NOT NULL), 0) AS opened,
           max(v.until) FILTER (WHERE w.id IS NOT NULL) AS until
    FROM circuit_breaker_votes v LEFT JOIN workers w ON w.id = v.voter AND w.draining_at IS NULL
    WHERE v.until > ?2
    GROUP BY v.name
), named AS (
    SELECT name FROM voted UNION SELECT name FROM circuit_breakers WHERE until > ?4
)
SELECT n.name, COALESCE(v.votes, 0) AS votes, COALESCE(v.mine, 0) AS mine, COALESCE(v.opened, 0) AS opened,
       v.until - ?4 AS open_us,
       CASE WHEN b.until > ?4 THEN b.state END AS state, b.until - ?4 AS left_us, b.reason, b.set_by,
       CASE WHEN b.tried_by IS NOT ?1 THEN b.tried_until - ?4 END AS tried_us
FROM named n
LEFT JOIN voted v ON v.name = n.name
LEFT JOIN circuit_breakers b ON b.name = n.name
ORDER BY b.until IS NULL, v.votes IS NULL, v.votes DESC, n.name
LIMIT ?3
