-- KEYS: one, names, those that were destroyed. ARGV: name. It counts as destroyed also where there was none: one that is made later is another.
local gone = redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[2], ARGV[1])
redis.call('SADD', KEYS[3], ARGV[1])
return {gone == 1 and 'ok' or 'not_found'}
