-- Forgets workers that were silent for too long, and every task that neither waits nor was taken by a worker
-- that is there: its worker died, or Redis lost a key. It can be added again then.
-- KEYS: the workers, the set of what waits, the data of tasks. ARGV: seconds of silence, what the
-- keys of what a worker took begin with, and those of metadata. All keys share one hash tag.
local now = tonumber(redis.call('TIME')[1])
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now - ARGV[1]))) do
    redis.call('DEL', ARGV[2] .. worker)
    redis.call('ZREM', KEYS[1], worker)
end
local known = {}
local function note(tasks)
    for _, task in ipairs(tasks) do
        known[task] = true
    end
end
note(redis.call('ZRANGE', KEYS[2], 0, -1))
for _, worker in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    note(redis.call('SMEMBERS', ARGV[2] .. worker))
end
local forgotten = 0
for _, task in ipairs(redis.call('HKEYS', KEYS[3])) do
    if not known[task] then
        redis.call('HDEL', KEYS[3], task)
        redis.call('DEL', ARGV[3] .. task)
        forgotten = forgotten + 1
    end
end
return forgotten
