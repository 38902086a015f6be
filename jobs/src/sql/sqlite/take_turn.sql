-- Worker ?1 looks after retention until ?2, unless another does at ?3.
INSERT INTO turns (chore, worker_id, until) VALUES ('retention', ?1, ?2)
ON CONFLICT (chore) DO UPDATE SET worker_id = excluded.worker_id, until = excluded.until
    WHERE turns.worker_id = excluded.worker_id OR turns.until <= ?3
