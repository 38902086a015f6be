-- Writes what slots came to, in three steps of one transaction: the schedules are taken, their jobs are
-- recorded as any others (insert.sql, room.sql), and what that came to is written.

-- step: take
-- The schedules among $1 that are as they were read (revisions $2). A row that somebody else is writing is
-- left to them, so that processes which see the same slots come neither wait for each other nor lock each
-- other out. One that was written since it was read has another revision by now.
SELECT s.id
FROM unnest($1::uuid[], $2::bigint[]) AS f(id, revision)
JOIN schedules s ON s.id = f.id AND s.revision = f.revision
FOR UPDATE OF s SKIP LOCKED

-- step: write
-- Schedules $1, their slots $2 and next slots $3, the outcomes $4, errors $5 and jobs $6.
UPDATE schedules s
SET revision = s.revision + 1, next_slot = f.next_slot, last_slot = f.slot, last_outcome = f.outcome,
    last_error = f.error, last_job_id = COALESCE(f.job_id, s.last_job_id)
FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::text[], $6::uuid[])
     AS f(id, slot, next_slot, outcome, error, job_id)
WHERE s.id = f.id
