-- Removes all that is known of the tasks that a worker took. Arguments go to commands a thousand at a
-- time: Lua's stack ends at 8,000.
-- KEYS: what the worker took, the data of tasks. ARGV: what the keys of their metadata begin with.
local taken = redis.call('SMEMBERS', KEYS[1])
for from = 1, #taken, 1000 do
    local upto = math.min(from + 999, #taken)
    local metadata = {}
    for i = from, upto do
        metadata[#metadata + 1] = ARGV[1] .. taken[i]
    end
    redis.call('HDEL', KEYS[2], unpack(taken, from, upto))
    redis.call('DEL', unpack(metadata))
end
redis.call('DEL', KEYS[1])
return #taken
