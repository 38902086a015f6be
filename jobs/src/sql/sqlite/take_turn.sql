-- Worker ?1 does the chore ?4 until ?2, unless another does at ?3.
INSERT INTO turns (chore, worker_id, until) VALUES (?4, ?1, ?2)
ON CONFLICT (chore) DO UPDATE SET worker_id = excluded.worker_id, until = excluded.until
    WHERE turns.worker_id = excluded.worker_id OR turns.until <= ?3
