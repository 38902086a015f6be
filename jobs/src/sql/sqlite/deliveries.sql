-- A page of a list of deliveries, newest first: ids begin with the time of the event. Before this text comes
-- one of the files in `deliveries/`, which says where to look: `looked` are ids up to ?9, all that may match
-- among them. No more than ?11 are looked at. Where they do not fill the page, `looked_to` is the last of
-- them; it is null where there are no more.
-- ?1 the tenant, ?2 endpoint, ?3 job, ?4 status, ?5 event, ?6 and ?7 happened not before and before, all of
-- which may be null but the tenant; ?8 and ?9 the ids that this leaves, from and up to, ?10 at most so many,
-- ?11 so many to look at, ?12 the ids to choose from or null.
, horizon AS MATERIALIZED (
    SELECT id FROM looked WHERE id >= ?8 ORDER BY id DESC LIMIT 1 OFFSET ?11 - 1
), page AS MATERIALIZED (
    SELECT d.id FROM looked l CROSS JOIN webhook_deliveries d ON d.id = l.id CROSS JOIN jobs j ON j.id = d.id
    WHERE l.id >= max(?8, COALESCE((SELECT id FROM horizon), ?8)) AND d.tenant_id = ?1
      AND (?2 IS NULL OR d.endpoint_id = ?2)
      AND (?3 IS NULL OR d.job_id = ?3)
      -- As in `delivery_view`: whatever has not ended is pending.
      AND (?4 IS NULL OR ?4 = CASE j.state WHEN 'succeeded' THEN 'delivered'
                                           WHEN 'dead' THEN 'failed'
                                           WHEN 'cancelled' THEN 'cancelled'
                                           ELSE 'pending' END)
      AND (?5 IS NULL OR d.event = ?5)
      AND (?6 IS NULL OR d.created_at >= ?6)
      AND (?7 IS NULL OR d.created_at < ?7)
      AND (?12 IS NULL OR d.id IN (SELECT unhex(value) FROM json_each(?12)))
    ORDER BY l.id DESC
    LIMIT ?10
)
SELECT e.looked_to, v.id, v.tenant_id, v.endpoint_id, v.job_id, v.event, v.url, v.created_at, v.status, v.attempt,
       v.max_attempts, v.run_at, v.finished_at, v.error_code, v.error_message, v.error_at
FROM (SELECT CASE WHEN (SELECT count(*) FROM page) < ?10
             THEN (SELECT id FROM horizon) END AS looked_to) e
-- Within brackets, or the view would be laid over all deliveries there are.
LEFT JOIN (SELECT w.* FROM page p CROSS JOIN delivery_view w ON w.id = p.id) v ON true
ORDER BY v.id DESC
