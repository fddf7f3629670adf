-- KEYS: session, lease, intents, fence. ARGV: owner, TTL (ms).
local doc = redis.call('GET', KEYS[1])
local lease = redis.call('HMGET', KEYS[2], 'token', 'ended')
if not doc or not lease[1] then return {'not_found'} end
if lease[2] == '1' then return {'ended'} end
local fence = string.format('%.0f', redis.call('INCR', KEYS[4]))
redis.call('HSET', KEYS[2], 'fence', fence, 'owner', ARGV[1])
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
return {'ok', doc, lease[1], fence, ARGV[1], lease[2]}
