-- Changes of tenant ?1, newest first, those before ?2 where it is not null; at most ?3. Null means any: role ?4, state
-- ?5. With ?6, those alone that wait for somebody: for an approval, or for a review of what was activated without one.
SELECT * FROM policy_change_view
WHERE tenant_id = ?1 AND (?2 IS NULL OR id < ?2)
  AND (?4 IS NULL OR role = ?4)
  AND (?5 IS NULL OR state = ?5)
  AND (NOT ?6 OR state = 'awaiting_approval' OR glass_by IS NOT NULL AND glass_reviewed_at IS NULL)
ORDER BY id DESC LIMIT ?3
