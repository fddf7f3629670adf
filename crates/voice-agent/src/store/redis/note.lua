-- KEYS: one. ARGV: TTL (ms).
return {redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) and 'ok' or 'exists'}
