-- Makes a process the feeder of a role, or lets it stay so, unless another is.
-- KEYS: the feeder. ARGV: the process's name, for how many milliseconds.
local feeder = redis.call('GET', KEYS[1])
if feeder and feeder ~= ARGV[1] then
    return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
