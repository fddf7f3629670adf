-- KEYS: session, lease, intents, fence, sessions. ARGV: doc, token hash, owner, fence, TTL (ms), id. A replica that became the master may
-- lack the session, its last owner, or the number that its owner was given. What ended or was erased stays so.
local lease = redis.call('HMGET', KEYS[2], 'fence', 'owner', 'ended', 'erased')
local theirs, mine = tonumber(lease[1] or '0'), tonumber(ARGV[4])
if lease[4] == '1' or (theirs == mine and lease[3] == '1') then return {'ended'} end
if theirs > mine or (theirs == mine and lease[2] ~= ARGV[3]) then return {'fenced'} end
if tonumber(redis.call('GET', KEYS[4]) or '0') < mine then redis.call('SET', KEYS[4], ARGV[4]) end
if theirs ~= mine or redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('SET', KEYS[1], ARGV[1])
  redis.call('HSET', KEYS[2], 'fence', ARGV[4], 'owner', ARGV[3], 'token', ARGV[2], 'ended', '0')
  redis.call('SADD', KEYS[5], ARGV[6])
end
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
return {'ok'}
