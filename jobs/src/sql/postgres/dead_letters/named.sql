-- Letters $2.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM dlq_messages
    WHERE id = ANY ($2) AND id >= $8 AND id < $9
    ORDER BY id DESC LIMIT $12
)
