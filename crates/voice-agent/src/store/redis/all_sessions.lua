-- KEYS: sessions. The names of all that were not swept.
local names = redis.call('SMEMBERS', KEYS[1])
table.insert(names, 1, 'ok')
return names
