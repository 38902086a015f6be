-- How many tenants' policies are frozen, by role.
SELECT role, count(*) AS frozen FROM governance_slots WHERE frozen_at IS NOT NULL GROUP BY role
