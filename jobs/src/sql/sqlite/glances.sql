-- What shows whether there is news of jobs: everything of them that changes and is small, and the
-- number of their last line of log.
SELECT v.id, v.state, v.attempt, v.error_at, v.run_at, v.started_at, v.finished_at, v.cost_micros, v.progress,
       COALESCE((SELECT max(l.seq) FROM job_logs l WHERE l.job_id = v.id), 0) AS last_line
FROM job_view v WHERE v.id IN (SELECT unhex(value) FROM json_each(?1))
