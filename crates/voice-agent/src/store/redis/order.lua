-- KEYS: the orders, their count. ARGV: order, TTL (ms), how many are kept at most.
local number = string.format('%.0f', redis.call('INCR', KEYS[2]))
redis.call('ZADD', KEYS[1], number, number .. ' ' .. ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'ok', number}
