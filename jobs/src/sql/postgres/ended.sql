SELECT id FROM jobs WHERE id = ANY ($1::uuid[]) AND state IN ('succeeded', 'dead', 'cancelled')
