SELECT id, run_lease, role, cancel FROM running WHERE worker_id = $1
