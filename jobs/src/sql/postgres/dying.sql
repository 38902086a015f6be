-- Who has more than $1 dead letters of a kind from the last $2 ms and after $3, over all tenants; letters of messages
-- are no jobs' and do not count. The newest $4 letters are looked at and no more, so that it takes no longer the more
-- there are. $5 the held clock. It lasts where there were as many of the kind two such times ago, or where those that
-- are looked at do not go back so far.
--
-- Of the jobs that the tenant has in that role, the last $6 that came in up to one that died say whether most of them
-- die; $4 of all its jobs are looked at for them.
WITH newest AS MATERIALIZED (
    SELECT id, tenant_id, role, kind, job_id, created_at FROM dlq_messages ORDER BY id DESC LIMIT $4
), lately AS MATERIALIZED (
    SELECT kind, tenant_id, role, (array_agg(job_id ORDER BY id DESC))[1] AS last,
           count(*) FILTER (WHERE created_at > at - span) AS letters,
           count(*) FILTER (WHERE created_at <= at - 2 * span) AS before
    FROM newest, (SELECT COALESCE($5, now()) AS at, $2 * interval '1 millisecond' AS span) AS time
    WHERE role IS NOT NULL AND created_at > $3 AND created_at > at - 3 * span
    GROUP BY kind, tenant_id, role
), grown AS (
    SELECT kind,
           sum(before) > $1
           OR (SELECT count(*) = $4 AND min(created_at) > COALESCE($5, now()) - 3 * $2 * interval '1 millisecond'
               FROM newest) AS lasting
    FROM lately GROUP BY kind HAVING sum(letters) > $1
)
SELECT l.kind, l.tenant_id, l.role, l.letters, g.lasting, near.dead, near.succeeded,
       EXISTS (SELECT FROM queues q
               WHERE q.role = l.role AND q.tenant_id IN (l.tenant_id, '') AND q.paused) AS paused
FROM grown g
JOIN lately l ON l.kind = g.kind AND l.letters > 0
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state = 'dead') AS dead, count(*) FILTER (WHERE state = 'succeeded') AS succeeded
    FROM (SELECT state FROM (SELECT j.role, j.state FROM jobs j WHERE j.tenant_id = l.tenant_id AND j.id <= l.last
                             ORDER BY j.id DESC LIMIT $4) AS all_jobs
          WHERE all_jobs.role = l.role LIMIT $6) AS jobs
) AS near
ORDER BY l.kind, l.letters DESC, l.tenant_id, l.role
