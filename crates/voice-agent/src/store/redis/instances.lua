-- ARGV: a cursor, a pattern. A piece of the heartbeats that there are, behind the next cursor.
local piece = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', '1000')
table.insert(piece[2], 1, piece[1])
table.insert(piece[2], 1, 'ok')
return piece[2]
