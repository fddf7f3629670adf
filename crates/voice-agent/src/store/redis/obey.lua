-- KEYS: an order's answers. ARGV: instance, what is left there, TTL (ms).
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {'ok'}
