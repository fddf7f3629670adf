-- KEYS: session, lease.
local doc = redis.call('GET', KEYS[1])
local lease = redis.call('HMGET', KEYS[2], 'token', 'fence', 'owner', 'ended')
if not doc or not lease[1] then return {'not_found'} end
return {'ok', doc, lease[1], lease[2], lease[3], lease[4]}
