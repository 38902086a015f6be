-- A page of a list of deliveries, newest first: ids begin with the time of the event. Before this text comes
-- one of the files in `deliveries/`, which says where to look: `looked` are $11 ids at most, among them all
-- that match, in that order. Where they do not fill the page, `looked_to` is the last of them; it is null
-- where there are no more.
-- $1 the tenant, $2 endpoint, $3 job, $4 status, $5 event, $6 and $7 happened not before and before, all of
-- which may be null but the tenant; $8 and $9 the ids that this leaves, from and up to, $10 at most so many,
-- $11 so many to look at, $12 the ids to choose from or null.
--
-- The planner cannot know how few a filter leaves, and might read whole tables for it: OFFSET 0 has each
-- delivery that is looked at looked up by its id.
, page AS MATERIALIZED (
    SELECT l.id FROM looked l
    CROSS JOIN LATERAL (SELECT d.*, j.state FROM webhook_deliveries d JOIN jobs j ON j.id = d.id
                        WHERE d.id = l.id OFFSET 0) d
    WHERE d.tenant_id = $1
      AND ($2::uuid IS NULL OR d.endpoint_id = $2)
      AND ($3::uuid IS NULL OR d.job_id = $3)
      -- As in `delivery_view`: whatever has not ended is pending.
      AND ($4::text IS NULL OR $4 = CASE d.state WHEN 'succeeded' THEN 'delivered'
                                                 WHEN 'dead' THEN 'failed'
                                                 WHEN 'cancelled' THEN 'cancelled'
                                                 ELSE 'pending' END)
      AND ($5::text IS NULL OR d.event = $5)
      AND ($6::timestamptz IS NULL OR d.created_at >= $6)
      AND ($7::timestamptz IS NULL OR d.created_at < $7)
      AND ($12::uuid[] IS NULL OR d.id = ANY ($12))
    ORDER BY l.id DESC
    LIMIT $10
)
SELECT e.looked_to, v.id, v.tenant_id, v.endpoint_id, v.job_id, v.event, v.url, v.created_at, v.status, v.attempt,
       v.max_attempts, v.run_at, v.finished_at, v.error_code, v.error_message, v.error_at
FROM (SELECT CASE WHEN (SELECT count(*) FROM page) < $10
             THEN (SELECT id FROM looked ORDER BY id DESC OFFSET $11 - 1 LIMIT 1) END AS looked_to) e
LEFT JOIN page p ON true
LEFT JOIN LATERAL (SELECT * FROM delivery_view w WHERE w.id = p.id OFFSET 0) v ON true
ORDER BY v.id DESC
