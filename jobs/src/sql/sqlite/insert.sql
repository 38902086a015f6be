-- Records jobs, their idempotency keys and their place in the queue.
--
-- A list travels as one JSON array in one parameter, here and in every file of this
-- folder: a batch is one statement whatever its size. Ids are hex in it. SQLite has no
-- INSERT inside WITH, so what is one statement on PostgreSQL is several steps here;
-- there is one writer, and nothing comes between them.

-- step: tenants
-- Makes tenants known. ?1: [[id, fresh secret as hex], …], ?2: now.
INSERT INTO tenants (id, callback_secret, created_at)
SELECT value ->> 0, unhex(value ->> 1), ?2 FROM json_each(?1) WHERE true
ON CONFLICT (id) DO NOTHING

-- step: keyed
-- The keys that are taken. ?1: [[tenant, route, key], …], ?2: the time before which a key
-- is forgotten.
SELECT k.tenant_id, k.route, k.key, k.fingerprint, k.job_id
FROM json_each(?1) AS e
CROSS JOIN idempotency_keys k
    ON k.tenant_id = e.value ->> 0 AND k.route = e.value ->> 1 AND k.key = e.value ->> 2
WHERE k.created_at > ?2

-- step: remember
-- Takes keys, forgotten ones again. ?1: [[tenant, route, key, fingerprint, job], …], ?2: now.
INSERT OR REPLACE INTO idempotency_keys (tenant_id, route, key, fingerprint, job_id, created_at)
SELECT value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3), unhex(value ->> 4), ?2
FROM json_each(?1)

-- step: jobs
-- ?1: [[id, tenant, kind, role, state, priority, payload, max_attempts, timeout_ms, run_at, metadata,
-- callback_url, parent, trace, max_cost], …], ?2: now, ?3: whether a parent awaits them. An id that is known already
-- fails the statement; the caller then leaves those out (step recorded).
INSERT INTO jobs (id, tenant_id, kind, role, state, priority, payload, max_attempts, timeout_ms, run_at,
                  metadata, callback_url, parent_id, trace_context, max_cost, created_at, awaited)
SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
       value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, unhex(value ->> 12), value ->> 13,
       value ->> 14, ?2, ?3
FROM json_each(?1)

-- step: recorded
-- ?1: ids. The jobs among them that are known.
SELECT id, run_at, created_at FROM jobs WHERE id IN (SELECT unhex(value) FROM json_each(?1))

-- step: adopt
-- Children that were recorded before are awaited as well if they have not ended and are of
-- the same tenant and no other parent's; a job never awaits itself. ?1: [[child, parent], …]
UPDATE jobs SET awaited = 1, parent_id = c.parent_id
FROM (SELECT unhex(value ->> 0) AS id, unhex(value ->> 1) AS parent_id FROM json_each(?1)) AS c
CROSS JOIN jobs p
WHERE p.id = c.parent_id AND jobs.id = c.id AND c.id <> c.parent_id AND jobs.finished_at IS NULL
  -- The first half is what was recorded just now.
  AND (jobs.awaited AND jobs.parent_id = c.parent_id
       OR jobs.tenant_id = p.tenant_id AND (jobs.parent_id IS NULL OR jobs.parent_id = c.parent_id))
RETURNING parent_id
