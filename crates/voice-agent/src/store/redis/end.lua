-- KEYS: session, lease. ARGV: fence, or '' for anybody's.
local fence = redis.call('HGET', KEYS[2], 'fence')
if not fence or redis.call('EXISTS', KEYS[1]) == 0 then return {'not_found'} end
if ARGV[1] ~= '' and ARGV[1] ~= fence then return {'fenced'} end
redis.call('HSET', KEYS[2], 'ended', '1')
return {'ok'}
