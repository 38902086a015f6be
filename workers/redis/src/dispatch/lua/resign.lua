-- Lets another process feed a role, if it is this one that does.
-- KEYS: the feeder. ARGV: the process's name.
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
end
