-- KEYS: session, lease, intents. ARGV: fence, TTL (ms).
local refused = disowned(KEYS[1], KEYS[2], ARGV[1])
if refused then return refused end
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
return {'ok'}
