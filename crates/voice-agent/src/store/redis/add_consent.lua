-- KEYS: a person's consents, the lease of the session in which it was decided. ARGV: id, record. What is there is never changed, and what was
-- decided in a session that was erased since is not put back.
if redis.call('HGET', KEYS[2], 'erased') == '1' then return {'ended'} end
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return {'ok'}
