-- KEYS: session, lease, intents, hand-over, sessions. ARGV: id, TTL (ms). Forgets it, but for the number of its owner, who may live still: what he
-- has not saved yet, and the session itself, are not put back.
local fence = redis.call('HGET', KEYS[2], 'fence')
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('SREM', KEYS[5], ARGV[1])
redis.call('HSET', KEYS[2], 'fence', fence or '0', 'ended', '1', 'erased', '1')
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return {'ok'}
