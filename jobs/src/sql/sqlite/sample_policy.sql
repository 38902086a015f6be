-- Counts a question of side ?2 of the trial of change ?1: whether it failed, was answered with what cannot be used, or
-- leaked, and what it cost. Nothing is counted once the trial is over.
INSERT INTO policy_samples AS s (change_id, arm, samples, failures, invalid, leaks, in_a_row, cost_micros)
SELECT ?1, ?2, 1, ?3, ?4, ?5, ?3, ?6 WHERE EXISTS (SELECT 1 FROM policy_changes WHERE id = ?1 AND state = 'canary')
ON CONFLICT (change_id, arm) DO UPDATE
SET samples = s.samples + 1, failures = s.failures + ?3, invalid = s.invalid + ?4, leaks = s.leaks + ?5,
    in_a_row = CASE ?3 WHEN 0 THEN 0 ELSE s.in_a_row + 1 END, cost_micros = s.cost_micros + ?6
