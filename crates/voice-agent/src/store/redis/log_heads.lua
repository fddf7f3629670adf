-- KEYS: the access logs.
local heads = redis.call('HGETALL', KEYS[1])
table.insert(heads, 1, 'ok')
return heads
