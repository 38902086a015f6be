-- Who has more than ?1 dead letters of a kind from after ?2, over all tenants; letters of messages are no jobs' and do
-- not count. The newest ?3 letters are looked at and no more, so that it takes no longer the more there are.
--
-- Of the jobs that the tenant has in that role, the last ?4 that came in up to one that died say whether most of them
-- die; ?3 of all its jobs are looked at for them.
WITH newest AS MATERIALIZED (
    SELECT id, tenant_id, role, kind, job_id, created_at FROM dlq_messages ORDER BY id DESC LIMIT ?3
), lately AS MATERIALIZED (
    -- Of a group with one max, SQLite takes the other columns from the row that has it.
    SELECT kind, tenant_id, role, count(*) AS letters, max(id) AS newest, job_id AS last
    FROM newest
    WHERE role IS NOT NULL AND created_at > ?2
    GROUP BY kind, tenant_id, role
)
SELECT l.kind, l.tenant_id, l.role, l.letters,
       (SELECT json_array(sum(state = 'dead'), sum(state = 'succeeded'))
        FROM (SELECT state FROM (SELECT j.role, j.state FROM jobs j WHERE j.tenant_id = l.tenant_id AND j.id <= l.last
                                 ORDER BY j.id DESC LIMIT ?3) AS all_jobs
              WHERE all_jobs.role = l.role LIMIT ?4)) AS near,
       EXISTS (SELECT 1 FROM queues q
               WHERE q.role = l.role AND q.tenant_id IN (l.tenant_id, '') AND q.paused) AS paused
FROM lately l
WHERE l.kind IN (SELECT kind FROM lately GROUP BY kind HAVING sum(letters) > ?1)
ORDER BY l.kind, l.letters DESC, l.tenant_id, l.role
