-- Reservation $3 is used from now on: run $2 of job $1 asked for it last and holds its lease, which it cannot lose
-- before the commit. One that was settled stays so. $4 the held clock.
WITH held AS MATERIALIZED (
    SELECT id, run_lease FROM running WHERE id = $1 AND run_lease = $2
    FOR KEY SHARE
)
UPDATE budget_reservations b
SET state = CASE b.state WHEN 'held' THEN 'unsettled' ELSE b.state END, dispatched_at = COALESCE($4, now())
FROM held h
WHERE b.id = $3 AND b.job_id = h.id AND b.run_lease = h.run_lease AND b.state <> 'released'
