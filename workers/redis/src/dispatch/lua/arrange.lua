-- Puts all that waits to be taken in the order of its names, however often it was added to. What was added becomes
-- due since ever, whatever clock it was added by; equals are sorted by name.
-- KEYS: the set of what waits, the data of tasks. Answers how many tasks are known, and how many of them wait.
redis.call('ZUNIONSTORE', KEYS[1], 1, KEYS[1], 'WEIGHTS', 0)
return {redis.call('HLEN', KEYS[2]), redis.call('ZCARD', KEYS[1])}
