-- Forgets tenant $1 unless jobs of it are open. These are looked for where they wait and run, in the roles $2,
-- since `jobs` keeps what has ended as well; one that waits for children has some of them there.
WITH gone AS (
    DELETE FROM tenants t
    WHERE t.id = $1
      AND NOT EXISTS (SELECT 1 FROM running WHERE tenant_id = $1)
      AND NOT EXISTS (SELECT 1 FROM scheduled WHERE tenant_id = $1)
      AND NOT EXISTS (SELECT 1 FROM budget_waits WHERE tenant_id = $1)
      AND NOT EXISTS (SELECT 1 FROM escalations WHERE tenant_id = $1 AND state <> 'resolved')
      AND NOT EXISTS (SELECT 1 FROM ready WHERE role = ANY ($2::text[]) AND tenant_id = $1 AND parked)
      AND NOT EXISTS (SELECT 1 FROM ready WHERE role = ANY ($2::text[]) AND tenant_id = $1 AND NOT parked)
    RETURNING t.id
), queues_opened AS (
    -- Not deleted: a job that comes in just now may be parked behind a gate, which admit() then opens.
    UPDATE queues q SET paused = false, paused_by = NULL, paused_at = NULL, max_running = NULL, max_queued = NULL
    FROM gone g WHERE q.tenant_id = g.id
), schedules_gone AS (
    DELETE FROM schedules s USING gone g WHERE s.tenant_id = g.id
), functions_gone AS (
    DELETE FROM functions f USING gone g WHERE f.tenant_id = g.id
), versions_gone AS (
    DELETE FROM function_versions v USING gone g WHERE v.tenant_id = g.id
), endpoints_gone AS (
    DELETE FROM webhook_endpoints e USING gone g WHERE e.tenant_id = g.id
), budget_reset AS (
    -- What it spent stays spent, should it come back.
    UPDATE budget_limits b SET total_limit = NULL, period = NULL FROM gone g WHERE b.tenant_id = g.id
), policies_reset AS (
    -- Versions stay, and their numbers are not given out again; none of them is active.
    UPDATE governance_slots p
    SET active_version = 0, canary = NULL, frozen_at = NULL, frozen_by = NULL, frozen_reason = NULL
    FROM gone g WHERE p.tenant_id = g.id
), changes_closed AS (
    UPDATE policy_changes c
    SET state = CASE c.state WHEN 'active' THEN 'superseded' WHEN 'canary' THEN 'rolled_back' ELSE 'withdrawn' END
    FROM gone g
    WHERE c.tenant_id = g.id AND c.state IN ('proposed', 'validating', 'evaluating', 'awaiting_approval', 'approved',
                                             'scheduled', 'canary', 'active')
), listeners_gone AS (
    DELETE FROM listeners l USING gone g WHERE l.tenant_id = g.id
)
SELECT EXISTS (SELECT 1 FROM tenants WHERE id = $1) AS known, EXISTS (SELECT 1 FROM gone) AS gone
