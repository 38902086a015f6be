-- Up to $3 lines of each job of $1 after the one that stands beside it in $2. Lines of a job are
-- numbered without gaps.
SELECT l.job_id, l.seq, l.attempt, l.stream, l.at, l.text
FROM unnest($1::uuid[], $2::bigint[]) AS e(id, after)
JOIN job_logs l ON l.job_id = e.id AND l.seq > e.after AND l.seq <= e.after + $3
ORDER BY l.job_id, l.seq
