-- Worker $1 has ended. What it did for all is anybody's turn.
WITH turns AS (DELETE FROM turns WHERE worker_id = $1)
DELETE FROM workers WHERE id = $1
