-- KEYS: any number. What each is, empty if it is gone.
local found = redis.call('MGET', unpack(KEYS))
for at = 1, #KEYS do found[at] = found[at] or '' end
table.insert(found, 1, 'ok')
return found
