-- Up to ?1 letters that were resolved before ?2 and whose jobs are not dead: those go with their letters.
DELETE FROM dlq_messages WHERE id IN (
    SELECT d.id FROM dlq_messages d
    WHERE d.resolved AND d.resolved_at < ?2
      AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = d.job_id AND j.state = 'dead')
    ORDER BY d.resolved_at LIMIT ?1)
