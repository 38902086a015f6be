-- How the questions of either side of the trial of change $1 ended.
SELECT arm, samples, failures, invalid, leaks, in_a_row, cost_micros FROM policy_samples WHERE change_id = $1
