-- KEYS: one.
local wrapped = redis.call('GET', KEYS[1])
if not wrapped then return {'not_found'} end
return {'ok', wrapped}
