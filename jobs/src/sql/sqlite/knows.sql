-- Whether tenant ?1 used key ?3 on route ?2 after the time ?4.
SELECT EXISTS (
    SELECT 1 FROM idempotency_keys WHERE tenant_id = ?1 AND route = ?2 AND key = ?3 AND created_at > ?4)
