-- How panels fare: how many rounds collect ballots, for how many ms the oldest of them does, and within how many ms 95 %
-- of those that ended after ?3 did. ?1 now; of each the newest ?2 are looked at and no more, so that what was cancelled
-- long ago, and still looks open here, is out of sight.
WITH collecting AS MATERIALIZED (
    SELECT r.opened_at
    FROM (SELECT job_id, opened_at FROM peer_reviews WHERE state = 'COLLECTING' ORDER BY opened_at DESC LIMIT ?2) AS r
    CROSS JOIN jobs j ON j.id = r.job_id
    WHERE j.finished_at IS NULL
), lately AS MATERIALIZED (
    SELECT (closed_at - opened_at) / 1000 AS took_ms FROM peer_reviews
    WHERE closed_at IS NOT NULL AND closed_at > ?3
    ORDER BY closed_at DESC LIMIT ?2
)
SELECT (SELECT count(*) FROM collecting) AS open,
       COALESCE((?1 - (SELECT min(opened_at) FROM collecting)) / 1000, 0) AS oldest_ms,
       -- The first that 95 % are no longer than.
       (SELECT took_ms FROM lately ORDER BY took_ms
        LIMIT 1 OFFSET (SELECT max((95 * count(*) + 99) / 100 - 1, 0) FROM lately)) AS p95_ms
