-- KEYS: names. ARGV: a cursor, about how many. Some names behind the next cursor.
local piece = redis.call('SSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
table.insert(piece[2], 1, piece[1])
table.insert(piece[2], 1, 'ok')
return piece[2]
