-- Changes of tenant $1, newest first, those before $2 where it is not null; at most $3. Null means any: role $4, state
-- $5. With $6, those alone that wait for somebody: for an approval, or for a review of what was activated without one. The
-- pairs are there for the planner, as in jobs/any.sql.
SELECT * FROM policy_change_view
WHERE tenant_id = $1 AND (tenant_id, id) < ($1, COALESCE($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
  AND ($4::text IS NULL OR role = $4)
  AND ($5::text IS NULL OR state = $5)
  AND (NOT $6 OR state = 'awaiting_approval' OR glass_by IS NOT NULL AND glass_reviewed_at IS NULL)
ORDER BY id DESC LIMIT $3
