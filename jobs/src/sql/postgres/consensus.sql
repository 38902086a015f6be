-- How panels fare: how many rounds collect ballots, for how many ms the oldest of them does, and within how many ms 95 %
-- of those that ended in the last $3 ms did. $1 the held clock; of each the newest $2 are looked at and no more, so that
-- what was cancelled long ago, and still looks open here, is out of sight.
WITH collecting AS MATERIALIZED (
    SELECT r.opened_at
    FROM (SELECT job_id, opened_at FROM peer_reviews WHERE state = 'COLLECTING' ORDER BY opened_at DESC LIMIT $2) AS r
    JOIN jobs j ON j.id = r.job_id
    WHERE j.finished_at IS NULL
), lately AS MATERIALIZED (
    SELECT (extract(epoch FROM closed_at - opened_at) * 1000)::bigint AS took_ms FROM peer_reviews
    WHERE closed_at > COALESCE($1, now()) - $3 * interval '1 ms'
    ORDER BY closed_at DESC LIMIT $2
)
SELECT (SELECT count(*) FROM collecting) AS open,
       COALESCE((extract(epoch FROM COALESCE($1, now()) - (SELECT min(opened_at) FROM collecting)) * 1000)::bigint, 0)
           AS oldest_ms,
       (SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY took_ms) FROM lately) AS p95_ms
