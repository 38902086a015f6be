-- The guards that were ever looked after, as they stand.
SELECT name, looked_at, remedied, failures, escalated FROM guards ORDER BY name
