-- KEYS: a person's consents, the lease of the session in which it was decided. ARGV: id, record, news channel or '', what is told there. What
-- is there is never changed, and what was decided in a session that was erased since is not put back.
if redis.call('HGET', KEYS[2], 'erased') == '1' then return {'ended'} end
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
if ARGV[3] ~= '' then redis.call('PUBLISH', ARGV[3], ARGV[4]) end
return {'ok'}
