-- Puts all that waits to be taken in the order of its names, however often it was added to: what is left in
-- the list that fetches take from goes back to the set that they fill it from, and there all is due since ever,
-- whatever clock it was added by. Equals are sorted by name.
-- KEYS: the list, the set, the data of tasks. Answers how many tasks are known, and how many of them wait.
local left = redis.call('LRANGE', KEYS[1], 0, -1)
for from = 1, #left, 1000 do
    local scored = {}
    for i = from, math.min(from + 999, #left) do
        scored[#scored + 1] = 0
        scored[#scored + 1] = left[i]
    end
    redis.call('ZADD', KEYS[2], unpack(scored))
end
redis.call('DEL', KEYS[1])
redis.call('ZUNIONSTORE', KEYS[2], 1, KEYS[2], 'WEIGHTS', 0)
return {redis.call('HLEN', KEYS[3]), redis.call('ZCARD', KEYS[2])}
