-- KEYS: tasks, undo, opt-out, consents. Forgets them, and says how many there were of each.
local rev = redis.call('HEXISTS', KEYS[1], 'rev')
local counts = {
  redis.call('HLEN', KEYS[1]) - rev, redis.call('LLEN', KEYS[2]),
  redis.call('EXISTS', KEYS[3]), redis.call('HLEN', KEYS[4]),
}
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
return {'ok', tostring(counts[1]), tostring(counts[2]), tostring(counts[3]), tostring(counts[4])}
