-- Up to $2 reservations whose runs are gone and that nobody will settle: those that were not dispatched, and those that
-- were $1 ms ago. $3 the held clock.
SELECT b.id, b.job_id, b.run_lease, b.amount, b.state FROM budget_reservations b
WHERE b.state IN ('held', 'unsettled')
  AND (b.state = 'held' OR b.dispatched_at <= COALESCE($3, now()) - $1 * interval '1 millisecond')
  AND NOT EXISTS (SELECT FROM running r WHERE r.id = b.job_id AND r.run_lease = b.run_lease)
ORDER BY b.id LIMIT $2
