-- KEYS: one. ARGV: old, new.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'conflict'} end
redis.call('SET', KEYS[1], ARGV[2])
return {'ok'}
