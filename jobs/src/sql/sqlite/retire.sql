-- Worker ?1 has ended. What it did for all is anybody's turn.

-- step: turns
DELETE FROM turns WHERE worker_id = ?1

-- step: worker
DELETE FROM workers WHERE id = ?1
