-- KEYS: one, names. ARGV: wrapped, name.
if redis.call('EXISTS', KEYS[1]) == 1 then return {'exists'} end
redis.call('SADD', KEYS[2], ARGV[2])
redis.call('SET', KEYS[1], ARGV[1])
return {'ok'}
