-- KEYS: a day's key each. Gives back a list of fields and values each.
local days = {'ok'}
for _, key in ipairs(KEYS) do table.insert(days, redis.call('HGETALL', key)) end
return days
