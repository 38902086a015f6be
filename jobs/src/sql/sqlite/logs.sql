-- Up to ?4 lines of job ?1 after line ?2, of attempt ?3 or of any.
SELECT seq, attempt, stream, at, text FROM job_logs
WHERE job_id = ?1 AND seq > ?2 AND (?3 IS NULL OR attempt = ?3)
ORDER BY seq LIMIT ?4
