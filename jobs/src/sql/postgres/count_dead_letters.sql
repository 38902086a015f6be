SELECT count(*) FROM dlq_messages
WHERE tenant_id = $1
  AND (cardinality($2::uuid[]) = 0 OR id = ANY ($2))
  AND ($3::text IS NULL OR kind = $3 OR left(kind, length($3) + 1) = $3 || '@')
  AND ($4::text IS NULL OR original_subject = $4)
  AND ($5::text IS NULL OR position(lower($5) IN lower(error)) > 0)
  AND ($6::timestamptz IS NULL OR created_at >= $6)
  AND ($7::timestamptz IS NULL OR created_at < $7)
  AND NOT resolved
