-- step: events
-- ?1 the time before which they go, ?2 at most so many.
DELETE FROM events WHERE (tenant_id, seq) IN (SELECT tenant_id, seq FROM events WHERE at < ?1 ORDER BY at LIMIT ?2)

-- step: listeners
-- Those whose time is over. ?1 now.
DELETE FROM listeners WHERE until <= ?1
