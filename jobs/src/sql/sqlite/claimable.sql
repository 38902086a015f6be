  -- Of the rows above, those that no gate holds back, in claim order: ?1 the role, ?2 at most so many. What is
  -- behind a gate without having been let through is passed over: it is about to be parked.
  AND (admitted OR tenant_id NOT IN (
      SELECT tenant_id FROM queues WHERE role = ?1 AND gated AND gate_moved_at IS NOT NULL))
  AND tenant_id NOT IN (SELECT tenant_id FROM queues WHERE role = ?1 AND paused AND gate_moved_at IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM queues WHERE role = ?1 AND tenant_id = '' AND paused)
ORDER BY priority, fair_tag, id LIMIT ?2
