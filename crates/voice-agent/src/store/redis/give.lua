-- KEYS: pieces. ARGV: one more, how many there may be at most, TTL (ms).
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[2]) then return {'full'} end
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {'ok'}
