SELECT tenant_id, last FROM event_counters WHERE tenant_id = ANY ($1::text[])
