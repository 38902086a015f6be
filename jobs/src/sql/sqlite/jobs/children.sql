-- The jobs that job ?12 made.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM jobs WHERE parent_id = ?12 AND id < ?8
)
