-- Writes what slots came to: the schedules are taken, their jobs are recorded as any others (insert.sql,
-- room.sql), and what that came to is written.

-- step: take
-- The schedules that are as they were read: one that was written since has another revision by now.
-- ?1: [[id, revision], …]
SELECT s.id FROM json_each(?1) AS e
CROSS JOIN schedules s ON s.id = unhex(e.value ->> 0) AND s.revision = e.value ->> 1

-- step: write
-- ?1: [[id, slot, next slot, outcome, error, job], …]
UPDATE schedules
SET revision = schedules.revision + 1, next_slot = f.next_slot, last_slot = f.slot, last_outcome = f.outcome,
    last_error = f.error, last_job_id = COALESCE(f.job_id, last_job_id)
FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS slot, value ->> 2 AS next_slot, value ->> 3 AS outcome,
             value ->> 4 AS error, unhex(value ->> 5) AS job_id
      FROM json_each(?1)) AS f
WHERE schedules.id = f.id
