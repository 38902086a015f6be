-- Progress and checkpoints of runs that still hold their lease; answers their leases.
UPDATE jobs j
SET progress = COALESCE(e.progress::json, j.progress), checkpoint = COALESCE(e.checkpoint::json, j.checkpoint)
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) AS e(id, run_lease, progress, checkpoint)
JOIN running r ON r.id = e.id AND r.run_lease = e.run_lease
WHERE j.id = e.id
RETURNING e.run_lease
