-- Change ?2 of tenant ?1.
SELECT * FROM policy_change_view WHERE tenant_id = ?1 AND id = ?2
