-- KEYS: days of spend.
local days = redis.call('SMEMBERS', KEYS[1])
table.insert(days, 1, 'ok')
return days
