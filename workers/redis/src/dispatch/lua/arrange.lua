-- Puts all that waits to be taken in the order of its names, however often it was added to. What was added
-- becomes due since ever, whatever clock it was added by; equals are sorted by name. What is left in the list that
-- fetches take from goes back to the set that they fill it from, if something in the set comes before.
-- KEYS: the list, the set, the data of tasks. Answers how many tasks are known, and how many of them wait.
redis.call('ZUNIONSTORE', KEYS[2], 1, KEYS[2], 'WEIGHTS', 0)
local last = redis.call('LINDEX', KEYS[1], -1)
local first = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
if last and first and first < last then
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
end
return {redis.call('HLEN', KEYS[3]), redis.call('LLEN', KEYS[1]) + redis.call('ZCARD', KEYS[2])}
