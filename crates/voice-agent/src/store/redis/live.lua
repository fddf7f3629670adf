-- KEYS: sessions. ARGV: what a lease's key begins with. Gives back id, owner and fence of each that is neither over nor expired.
local found = {'ok'}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local lease = redis.call('HMGET', ARGV[1] .. id, 'owner', 'fence', 'ended')
  if lease[1] and lease[3] ~= '1' then
    table.insert(found, id)
    table.insert(found, lease[1])
    table.insert(found, lease[2])
  end
end
return found
