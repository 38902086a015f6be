SELECT id, run_lease FROM running WHERE worker_id = ?1 AND cancel
