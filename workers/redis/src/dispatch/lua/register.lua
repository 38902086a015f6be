-- A worker is there, which fetches ask for. By the clock of Redis: those of workers may differ.
-- KEYS: the workers. ARGV: the worker's name.
redis.call('ZADD', KEYS[1], redis.call('TIME')[1], ARGV[1])
