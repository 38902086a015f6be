-- Jobs under a lease, of all tenants: as many as all workers together run at once.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM running WHERE id < ?8
)
