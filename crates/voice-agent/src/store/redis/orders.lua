-- KEYS: the orders, their count. ARGV: the last that is known; a Redis that was emptied counts from the beginning.
local after = tonumber(ARGV[1])
if tonumber(redis.call('GET', KEYS[2]) or '0') < after then after = 0 end
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', after), '+inf')
table.insert(found, 1, 'ok')
return found
