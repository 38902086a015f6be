-- Progress and checkpoints of runs that still hold their lease; answers their leases. The
-- leases are locked first: a run ends by deleting its own, so a report and an end exclude
-- each other, and no report is written after the end.
WITH held AS MATERIALIZED (
    SELECT e.id, e.run_lease, e.progress, e.checkpoint
    FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) AS e(id, run_lease, progress, checkpoint)
    JOIN running r ON r.id = e.id AND r.run_lease = e.run_lease
    ORDER BY r.id
    FOR KEY SHARE OF r
)
UPDATE jobs j
SET progress = COALESCE(h.progress::json, j.progress), checkpoint = COALESCE(h.checkpoint::json, j.checkpoint)
FROM held h WHERE j.id = h.id
RETURNING h.run_lease
