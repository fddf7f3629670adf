-- KEYS: hand-over.
local context = redis.call('GET', KEYS[1])
if not context then return {'not_found'} end
redis.call('DEL', KEYS[1])
return {'ok', context}
