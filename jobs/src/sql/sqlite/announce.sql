-- Event ?3 with data ?4, for whoever listens to tenant ?2. ?1 its id, ?5 now.
INSERT INTO outbox (id, tenant_id, event, data, created_at)
SELECT ?1, ?2, ?3, ?4, ?5
WHERE EXISTS (SELECT 1 FROM listeners WHERE tenant_id IN (?2, '') AND until > ?5)
