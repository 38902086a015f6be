-- Lets one request of the owner of KEYS[1] through, if fewer than ARGV[1] were within the last ARGV[2] microseconds.
-- Answers whether it was, how many more would be, and in how many microseconds one more will be.
--
-- The key is the list of the moments at which its owner was let through, the oldest first. A request that is not let
-- through leaves none. ARGV[3] is the time of a test; else it is this server's, the same for all who ask.
local key, quota, window = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local now = tonumber(ARGV[3])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
end

-- A clock that was set back a little stands still, so that moments stay in order; after more, windows begin anew.
local last = tonumber(redis.call('LINDEX', key, -1))
if last and last - now >= window then
    redis.call('DEL', key)
elseif last and last > now then
    now = last
end

-- The oldest that is young enough is looked for by halves: a thousand that are over together are removed in one go.
local length = redis.call('LLEN', key)
local over, high = 0, length
while over < high do
    local middle = math.floor((over + high) / 2)
    if now - redis.call('LINDEX', key, middle) >= window then
        over = middle + 1
    else
        high = middle
    end
end
if over > 0 then
    redis.call('LTRIM', key, over, -1)
    length = length - over
end

local admitted = length < quota
if admitted then
    redis.call('RPUSH', key, string.format('%d', now))
    redis.call('PEXPIRE', key, math.ceil(window / 1000))
    length = length + 1
end
-- Tokens of one subject may differ in their limits: there may be more than this one allows.
local first = redis.call('LINDEX', key, math.max(length - quota, 0))
local wait = first and window - (now - first) or window
return {admitted and 1 or 0, math.max(quota - length, 0), wait}
