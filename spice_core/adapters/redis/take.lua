-- Take every charge or none, in moving windows by the server's clock.
-- KEYS: one list per charge, newest time first, one element per unit (the layout of the moving windows of `limits`).
-- ARGV: limit, window in seconds, cost; three per key.
-- Returns the index of the refusing charge (0: allowed), the time, and per charge: units that count, oldest of their times.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local stamp = string.format('%.6f', now)

local function counted(key, limit, after)
    local low, high, count, oldest = 0, limit - 1, 0, stamp
    while low <= high do
        local middle = math.floor((low + high) / 2)
        local value = redis.call('LINDEX', key, middle)
        if value and tonumber(value) > after then
            count, oldest, low = middle + 1, value, middle + 1
        else
            high = middle - 1
        end
    end
    return count, oldest
end

local refused = 0
for i, key in ipairs(KEYS) do
    local limit, window, cost = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
    local edge = redis.call('LINDEX', key, limit - cost)
    if refused == 0 and (cost > limit or (edge and tonumber(edge) > now - window)) then
        refused = i
    end
end

local answer = {refused, stamp}
for i, key in ipairs(KEYS) do
    local limit, window, cost = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
    if refused == 0 then
        for _ = 1, cost do
            redis.call('LPUSH', key, stamp)
        end
        redis.call('LTRIM', key, 0, limit - 1)
        redis.call('EXPIRE', key, window)
    end
    local count, oldest = counted(key, limit, now - window)
    answer[#answer + 1] = count
    answer[#answer + 1] = oldest
end
return answer
