SELECT tenant_id, last FROM event_counters WHERE tenant_id IN (SELECT value FROM json_each(?1))
