-- KEYS: pieces. The first of them.
local piece = redis.call('LPOP', KEYS[1])
if not piece then return {'not_found'} end
return {'ok', piece}
