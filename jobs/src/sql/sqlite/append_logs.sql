-- Adds lines of runs that still hold their lease. A line is known by its run and number, so that
-- adding it again changes nothing.

-- step: begun
-- Where the lines of each run begin. ?1: [[id, run_lease, seq, bytes], …], the last two how many
-- lines and bytes the job's earlier runs left, null where that is not known yet. It does not
-- change any more.
SELECT r.id, r.run_lease,
       COALESCE(e.value ->> 2, (SELECT max(l.seq) FROM job_logs l
                                WHERE l.job_id = r.id AND l.run_lease < r.run_lease), 0) AS seq,
       COALESCE(e.value ->> 3, (SELECT sum(octet_length(l.text)) FROM job_logs l
                                WHERE l.job_id = r.id AND l.run_lease < r.run_lease), 0) AS bytes
FROM json_each(?1) AS e
CROSS JOIN running r ON r.run_lease = e.value ->> 1
WHERE r.id = unhex(e.value ->> 0)

-- step: lines
-- ?1: [[id, seq, run_lease, attempt, stream, at, text], …]
INSERT INTO job_logs (job_id, seq, run_lease, attempt, stream, at, text)
SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
FROM json_each(?1) WHERE true
ON CONFLICT (job_id, seq) DO NOTHING
