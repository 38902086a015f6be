-- What was reserved for a call that is not made.

-- step: unused
-- Reservation $1, if run $2 was the last to ask for it and it was never dispatched.
SELECT tenant_id, amount, trees FROM budget_reservations WHERE id = $1 AND run_lease = $2 AND state = 'held'
FOR UPDATE

-- step: released
UPDATE budget_reservations SET state = 'released' WHERE id = $1
