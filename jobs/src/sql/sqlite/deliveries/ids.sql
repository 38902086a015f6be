-- Those that are named.
WITH looked AS NOT MATERIALIZED (
    SELECT id FROM webhook_deliveries WHERE id IN (SELECT unhex(value) FROM json_each(?12)) AND id < ?9
)
