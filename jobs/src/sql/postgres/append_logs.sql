-- Adds lines of runs that still hold their lease; answers for each of those where its lines begin.
-- A line is known by its run and number, so that adding it again changes nothing.
-- $1 ids, $2 leases, $3 attempts, $4 and $5 how many lines and bytes the job's earlier runs
-- left, null where that is not known yet, $6 the lines of each run as [{n, from, upto, stream,
-- age_us, text}, …] with from and upto in bytes of the run, $7 lines and $8 bytes that a job
-- keeps, $9 what stands in place of the first line beyond, $10 the held clock.
--
-- A run ends by deleting its own row of `running`, so an append and an end exclude each other,
-- as in report.sql. What earlier runs left does not change any more.
WITH held AS MATERIALIZED (
    SELECT e.id, e.run_lease, e.attempt, e.seq, e.bytes, e.lines
    FROM unnest($1::uuid[], $2::bigint[], $3::integer[], $4::bigint[], $5::bigint[], $6::text[])
         AS e(id, run_lease, attempt, seq, bytes, lines)
    JOIN running r ON r.id = e.id AND r.run_lease = e.run_lease
    ORDER BY r.id
    FOR KEY SHARE OF r
), begun AS MATERIALIZED (
    SELECT h.id, h.run_lease, h.attempt, h.lines,
           COALESCE(h.seq, (SELECT max(l.seq) FROM job_logs l
                            WHERE l.job_id = h.id AND l.run_lease < h.run_lease), 0) AS seq,
           COALESCE(h.bytes, (SELECT sum(octet_length(l.text)) FROM job_logs l
                              WHERE l.job_id = h.id AND l.run_lease < h.run_lease), 0) AS bytes
    FROM held h
), written AS (
    INSERT INTO job_logs (job_id, seq, run_lease, attempt, stream, at, text)
    SELECT b.id, b.seq + w.n, b.run_lease, b.attempt,
           CASE WHEN f.fits THEN w.stream ELSE 'system' END,
           COALESCE($10, now()) - w.age_us * interval '1 microsecond',
           CASE WHEN f.fits THEN w.text ELSE $9 END
    FROM begun b
    CROSS JOIN LATERAL json_to_recordset(b.lines::json)
        AS w(n bigint, "from" bigint, upto bigint, stream text, age_us bigint, text text)
    CROSS JOIN LATERAL (SELECT b.seq + w.n <= $7 AND b.bytes + w.upto <= $8 AS fits) f
    -- The line before it fits.
    WHERE b.seq + w.n <= $7 + 1 AND b.bytes + w."from" <= $8
    ON CONFLICT (job_id, seq) DO NOTHING
)
SELECT id, run_lease, seq, bytes::bigint AS bytes FROM begun
