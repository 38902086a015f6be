-- What was told of job ?3: as much as it ended often and was listened to.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM webhook_deliveries WHERE job_id = ?3 AND id < ?9
)
