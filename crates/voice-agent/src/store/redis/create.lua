-- KEYS: session, lease, intents, hand-over, fence, sessions. ARGV: doc, token hash, owner, TTL (ms), id.
if redis.call('EXISTS', KEYS[1]) == 1 and redis.call('EXISTS', KEYS[2]) == 1 then return {'exists'} end
-- Before anything is deleted: a full Redis refuses the first write that takes room, and none behind one that does not.
local fence = string.format('%.0f', redis.call('INCR', KEYS[5]))
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[4])
redis.call('HSET', KEYS[2], 'fence', fence, 'owner', ARGV[3], 'token', ARGV[2], 'ended', '0')
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('SADD', KEYS[6], ARGV[5])
return {'ok', fence}
