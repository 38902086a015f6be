-- ?1 id, ?2 fresh secret as hex, ?3 weight, ?4 and ?5 longest payload and result, ?6 sandbox limits, ?7 suspended,
-- ?8 now.
INSERT INTO tenants (id, callback_secret, weight, max_payload, max_result, sandbox_limits, suspended_at, created_at)
VALUES (?1, unhex(?2), ?3, ?4, ?5, ?6, CASE WHEN ?7 THEN ?8 END, ?8)
ON CONFLICT (id) DO NOTHING
