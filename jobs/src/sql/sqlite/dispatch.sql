-- Reservation ?3 is used from now on: run ?2 of job ?1 asked for it last and holds its lease. One that was settled
-- stays so. ?4 now.
UPDATE budget_reservations
SET state = CASE state WHEN 'held' THEN 'unsettled' ELSE state END, dispatched_at = ?4
WHERE id = ?3 AND job_id = ?1 AND run_lease = ?2 AND state <> 'released'
  AND EXISTS (SELECT 1 FROM running WHERE id = ?1 AND run_lease = ?2)
