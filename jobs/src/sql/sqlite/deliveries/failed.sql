-- A tenant's jobs that died once, those that deliver among them. Whatever is dead has a dead letter, and
-- may have several.
WITH looked AS NOT MATERIALIZED (
    SELECT DISTINCT job_id AS id FROM dlq_messages
    WHERE tenant_id = ?1 AND job_id < ?9 ORDER BY job_id DESC LIMIT ?11
)
