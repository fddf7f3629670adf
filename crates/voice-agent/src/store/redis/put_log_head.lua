-- KEYS: the access logs. ARGV: name, lines, hash, place. Never back.
local before = redis.call('HGET', KEYS[1], ARGV[1])
local lines = before and tonumber(string.match(before, '^(%d+) ')) or -1
if tonumber(ARGV[2]) > lines then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4]) end
return {'ok'}
