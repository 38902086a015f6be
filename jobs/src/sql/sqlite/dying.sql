-- Who has more than ?1 dead letters of a kind from after ?2, over all tenants; letters of messages are no jobs' and do
-- not count. The newest ?3 letters are looked at and no more, so that it takes no longer the more there are. It lasts
-- where there were as many of the kind from after ?5 and up to ?6, or where those that are looked at do not go back to ?5.
-- ?7: none of before counts.
--
-- Of the jobs that the tenant has in that role, the last ?4 that came in up to one that died say whether most of them
-- die; ?3 of all its jobs are looked at for them.
WITH newest AS MATERIALIZED (
    SELECT id, tenant_id, role, kind, job_id, created_at FROM dlq_messages ORDER BY id DESC LIMIT ?3
), lately AS MATERIALIZED (
    -- Of a group with one max, SQLite takes the other columns from the row that has it.
    SELECT kind, tenant_id, role, max(id) AS newest, job_id AS last,
           count(*) FILTER (WHERE created_at > ?2) AS letters,
           count(*) FILTER (WHERE created_at <= ?6) AS before
    FROM newest
    WHERE role IS NOT NULL AND created_at > ?5 AND created_at > ?7
    GROUP BY kind, tenant_id, role
), grown AS MATERIALIZED (
    SELECT kind,
           sum(before) > ?1 OR (SELECT count(*) = ?3 AND min(created_at) > ?5 FROM newest) AS lasting
    FROM lately GROUP BY kind HAVING sum(letters) > ?1
)
SELECT l.kind, l.tenant_id, l.role, l.letters, g.lasting,
       (SELECT json_array(sum(state = 'dead'), sum(state = 'succeeded'))
        FROM (SELECT state FROM (SELECT j.role, j.state FROM jobs j WHERE j.tenant_id = l.tenant_id AND j.id <= l.last
                                 ORDER BY j.id DESC LIMIT ?3) AS all_jobs
              WHERE all_jobs.role = l.role LIMIT ?4)) AS near,
       EXISTS (SELECT 1 FROM queues q
               WHERE q.role = l.role AND q.tenant_id IN (l.tenant_id, '') AND q.paused) AS paused
FROM grown g
JOIN lately l ON l.kind = g.kind AND l.letters > 0
ORDER BY l.kind, l.letters DESC, l.tenant_id, l.role
