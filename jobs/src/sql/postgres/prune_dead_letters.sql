-- Up to $1 letters that were resolved $2 ms ago or longer and whose jobs are not dead: those go with
-- their letters. $3 the held clock.
DELETE FROM dlq_messages WHERE ctid = ANY (ARRAY (
    SELECT d.ctid FROM dlq_messages d
    WHERE d.resolved AND d.resolved_at < COALESCE($3, now()) - $2 * interval '1 millisecond'
      AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = d.job_id AND j.state = 'dead')
    ORDER BY d.resolved_at LIMIT $1 FOR UPDATE OF d SKIP LOCKED))
