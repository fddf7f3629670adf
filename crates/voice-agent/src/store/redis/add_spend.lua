-- KEYS: batch, days of spend, then a day's key for each amount. ARGV: the batch's TTL (ms), the day's TTL (ms), then for each amount: day,
-- field, used, wasted, quantity, records.
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return {'ok'} end
for i = 3, #KEYS do
  local at = 2 + (i - 3) * 6
  redis.call('SADD', KEYS[2], ARGV[at + 1])
  for part, name in ipairs({'used', 'wasted', 'quantity', 'records'}) do
    local field = ARGV[at + 2] .. name
    -- At the largest number it stays there.
    local added = redis.pcall('HINCRBY', KEYS[i], field, ARGV[at + 2 + part])
    if type(added) == 'table' and added.err then redis.call('HSET', KEYS[i], field, '9223372036854775807') end
  end
  redis.call('PEXPIRE', KEYS[i], ARGV[2])
end
return {'ok'}
