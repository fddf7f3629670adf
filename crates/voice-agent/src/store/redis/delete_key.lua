-- KEYS: one, names, those that were destroyed. ARGV: name.
local gone = redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[2], ARGV[1])
if gone == 1 then redis.call('SADD', KEYS[3], ARGV[1]) end
return {gone == 1 and 'ok' or 'not_found'}
