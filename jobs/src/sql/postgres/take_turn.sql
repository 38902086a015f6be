-- Worker $1 does the chore $4 for the next $2 ms, unless another does. $3 the held clock.
INSERT INTO turns AS t (chore, worker_id, until)
VALUES ($4, $1, COALESCE($3, now()) + $2 * interval '1 millisecond')
ON CONFLICT (chore) DO UPDATE SET worker_id = excluded.worker_id, until = excluded.until
    WHERE t.worker_id = excluded.worker_id OR t.until <= COALESCE($3, now())
