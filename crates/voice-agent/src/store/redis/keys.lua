-- KEYS: names.
local names = redis.call('SMEMBERS', KEYS[1])
table.insert(names, 1, 'ok')
return names
