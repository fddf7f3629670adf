-- KEYS: a person's consents. ARGV: id, record. What is there is never changed.
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return {'ok'}
