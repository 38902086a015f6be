-- Letters ?2.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM dlq_messages
    WHERE id IN (SELECT unhex(value) FROM json_each(?2)) AND id < ?9
)
