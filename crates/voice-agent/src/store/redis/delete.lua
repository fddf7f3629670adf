-- KEYS: session, lease, intents, hand-over, sessions. ARGV: id.
local there = redis.call('EXISTS', KEYS[1]) == 1 and redis.call('EXISTS', KEYS[2]) == 1
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('SREM', KEYS[5], ARGV[1])
return {there and 'ok' or 'not_found'}
