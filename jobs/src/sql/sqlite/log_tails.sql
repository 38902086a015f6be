-- Up to ?2 lines of each job of ?1 ([[id, after], …]) after the one that stands beside it. Lines
-- of a job are numbered without gaps.
SELECT l.job_id, l.seq, l.attempt, l.stream, l.at, l.text
FROM json_each(?1) AS e
CROSS JOIN job_logs l ON l.job_id = unhex(e.value ->> 0)
WHERE l.seq > e.value ->> 1 AND l.seq <= (e.value ->> 1) + ?2
ORDER BY l.job_id, l.seq
