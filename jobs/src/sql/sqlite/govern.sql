-- Decides something about the policy of tenant ?1 and role ?2.

-- step: role
SELECT role FROM policy_changes WHERE tenant_id = ?1 AND id = ?2

-- step: opened
INSERT INTO governance_slots (tenant_id, role) VALUES (?1, ?2) ON CONFLICT (tenant_id, role) DO NOTHING

-- step: slot
SELECT active_version, last_version, canary, frozen_at, frozen_by, frozen_reason, thawed_at
FROM governance_slots WHERE tenant_id = ?1 AND role = ?2

-- step: changes
-- Those that matter for what may be done: ?3 itself, the open ones, version ?4, which is active, with the one before it,
-- and the ?5 that were activated last.
SELECT * FROM policy_change_view
WHERE tenant_id = ?1 AND role = ?2
  AND (
    id = ?3
    OR state IN ('proposed', 'validating', 'evaluating', 'awaiting_approval', 'approved', 'scheduled', 'canary')
    OR version = ?4
    OR version = (SELECT base_version FROM policy_changes WHERE tenant_id = ?1 AND role = ?2 AND version = ?4)
    OR id IN (
        SELECT id FROM policy_changes
        WHERE tenant_id = ?1 AND role = ?2 AND activated_at IS NOT NULL
        ORDER BY activated_at DESC LIMIT ?5
    )
  )
ORDER BY version

-- step: slot_kept
UPDATE governance_slots
SET active_version = ?3, last_version = ?4, canary = ?5, frozen_at = ?6, frozen_by = ?7, frozen_reason = ?8,
    thawed_at = ?9
WHERE tenant_id = ?1 AND role = ?2

-- step: version
-- The version of a change, which is on record by the next step.
INSERT INTO agent_policies (tenant_id, role, version, document, content_sha256, created_by, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- step: proposed
INSERT INTO policy_changes (tenant_id, role, id, version, base_version, content_sha256, state, proposed_by, reason,
                            activate_at, created_at, state_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)

-- step: change_kept
UPDATE policy_changes
SET state = ?2, state_at = ?3, note = ?4, activate_at = ?5, evaluation = ?6, activated_at = ?7,
    rolled_back_at = ?8, glass_by = ?9, glass_reviewed_by = ?10, glass_reviewed_at = ?11
WHERE id = ?1

-- step: decided
INSERT INTO policy_approvals (id, tenant_id, change_id, content_sha256, base_version, approved, decided_by, reason, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
