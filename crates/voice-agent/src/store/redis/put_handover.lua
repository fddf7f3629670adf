-- KEYS: session, lease, hand-over. ARGV: fence, context, TTL (ms).
local refused = disowned(KEYS[1], KEYS[2], ARGV[1])
if refused then return refused end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
return {'ok'}
