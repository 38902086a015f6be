-- ?1 id, ?2 fresh secret as hex, ?3 weight, ?4 and ?5 longest payload and result, ?6 suspended, ?7 now.
INSERT INTO tenants (id, callback_secret, weight, max_payload, max_result, suspended_at, created_at)
VALUES (?1, unhex(?2), ?3, ?4, ?5, CASE WHEN ?6 THEN ?7 END, ?7)
ON CONFLICT (id) DO NOTHING
