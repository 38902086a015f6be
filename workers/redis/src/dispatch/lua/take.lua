-- Takes the first of what waits, for a worker, which is noted as there: by the clock of Redis, since those of workers
-- may differ. Without the data of tasks, which is none, and their metadata, which says nothing.
-- KEYS: the workers, the set of what waits, what the worker took. ARGV: the worker's name, how many at most: fewer
-- than 8,000, where Lua's stack ends. Answers their names.
redis.call('ZADD', KEYS[1], redis.call('TIME')[1], ARGV[1])
local scored = redis.call('ZPOPMIN', KEYS[2], ARGV[2])
local names = {}
for i = 1, #scored, 2 do
    names[#names + 1] = scored[i]
end
if #names > 0 then
    redis.call('SADD', KEYS[3], unpack(names))
end
return names
