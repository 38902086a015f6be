-- Which version of the policy of tenant $1 and role $2 is active, and which is on trial.
SELECT s.active_version, s.canary, c.version AS canary_version
FROM governance_slots s LEFT JOIN policy_changes c ON c.id = s.canary
WHERE s.tenant_id = $1 AND s.role = $2
