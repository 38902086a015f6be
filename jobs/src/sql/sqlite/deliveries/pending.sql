-- A tenant's open deliveries: their jobs are in the tables of what churns. Of what runs, everybody's: as
-- many as all workers together run at once.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM (SELECT id FROM ready WHERE role = 'webhook' AND tenant_id = ?1 AND id < ?9
                    ORDER BY id DESC LIMIT ?11)
    UNION ALL
    SELECT id FROM (SELECT id FROM scheduled WHERE tenant_id = ?1 AND id < ?9 ORDER BY id DESC LIMIT ?11)
    UNION ALL
    SELECT id FROM (SELECT id FROM running WHERE id < ?9 ORDER BY id DESC LIMIT ?11)
)
