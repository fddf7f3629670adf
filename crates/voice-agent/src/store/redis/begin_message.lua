-- KEYS: the message's. ARGV: who begins it, TTL (ms), what an instance's key begins with.
local known = redis.call('GET', KEYS[1])
if known then
  local owner = string.match(known, '^begun:(.*)$')
  if not owner then return {'done'} end
  if owner == ARGV[1] or redis.call('EXISTS', ARGV[3] .. owner) == 1 then return {'under_way'} end
end
redis.call('SET', KEYS[1], 'begun:' .. ARGV[1], 'PX', ARGV[2])
return {known and 'again' or 'first'}
