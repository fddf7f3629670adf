-- KEYS: one, names. ARGV: name.
local gone = redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[2], ARGV[1])
return {gone == 1 and 'ok' or 'not_found'}
