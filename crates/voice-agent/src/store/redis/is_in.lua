-- KEYS: a set. ARGV: member.
return {redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 and 'ok' or 'not_found'}
