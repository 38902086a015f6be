-- Up to ?2 of the first ready rows of role ?1 after the place ?3, ?4, ?5: what a claim would take now.
-- Before `claimable.sql`.
SELECT priority, fair_tag, id FROM ready
WHERE role = ?1 AND parked = 0 AND (priority, fair_tag, id) > (?3, ?4, ?5)
