-- What worker ?1 runs, or every one, of tenant ?2, or of all: the first ?3 runs of each worker, and how
-- many it has.
WITH held AS MATERIALIZED (
    SELECT worker_id, id, role, tenant_id, cancel, started_at, run_lease,
           count(*) OVER (PARTITION BY worker_id) AS runs,
           row_number() OVER (PARTITION BY worker_id ORDER BY run_lease) AS place
    FROM running
    WHERE (?1 IS NULL OR worker_id = ?1) AND (?2 IS NULL OR tenant_id = ?2)
)
SELECT h.worker_id, h.runs, h.id, h.tenant_id, j.kind, h.role, j.attempt + 1 AS attempt, h.started_at, h.cancel
FROM held h CROSS JOIN jobs j ON j.id = h.id
WHERE h.place <= ?3
ORDER BY h.worker_id, h.run_lease
