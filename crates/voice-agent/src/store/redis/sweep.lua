-- KEYS: sessions, days of spend. ARGV: what a lease's key begins with, what a day's key begins with. What expired is gone by itself, but
-- for its names. Gives back the sessions that went.
local gone = {'ok'}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('EXISTS', ARGV[1] .. id) == 0 then
    redis.call('SREM', KEYS[1], id)
    table.insert(gone, id)
  end
end
for _, day in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  if redis.call('EXISTS', ARGV[2] .. day) == 0 then redis.call('SREM', KEYS[2], day) end
end
return gone
