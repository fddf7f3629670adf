-- KEYS: one. ARGV: since when (ms since 1970); empty: no more.
if ARGV[1] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[1], 'NX') end
return {'ok'}
