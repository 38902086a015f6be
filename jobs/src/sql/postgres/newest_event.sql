SELECT last FROM event_counters WHERE tenant_id = $1
