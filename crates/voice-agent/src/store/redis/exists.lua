-- KEYS: one.
return {redis.call('EXISTS', KEYS[1]) == 1 and 'ok' or 'not_found'}
