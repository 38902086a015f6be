-- The letter of a message that cannot be a job: $1 id, $2 tenant, $3 subject, $4 kind, $5 payload, $6 error code,
-- $7 error, $8 how often it was delivered, $9 the held clock. A message that comes again has its letter.
INSERT INTO dlq_messages (id, tenant_id, original_subject, kind, payload, error_code, error, attempts, created_at)
VALUES ($1, $2, $3, $4, $5::json, $6, $7, $8, COALESCE($9, now()))
ON CONFLICT (id) DO NOTHING
