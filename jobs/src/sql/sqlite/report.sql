-- Progress and checkpoints of runs that still hold their lease.
-- ?1: [[id, run_lease, progress, checkpoint], …]

-- step: jobs
UPDATE jobs
SET progress = COALESCE(f.progress, jobs.progress),
    checkpoint = COALESCE(f.checkpoint, jobs.checkpoint)
FROM (SELECT r.id, e.value ->> 2 AS progress, e.value ->> 3 AS checkpoint
      FROM json_each(?1) AS e
      CROSS JOIN running r ON r.run_lease = e.value ->> 1
      WHERE r.id = unhex(e.value ->> 0)) AS f
WHERE jobs.id = f.id
