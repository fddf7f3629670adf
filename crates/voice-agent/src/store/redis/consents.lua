-- KEYS: a person's consents.
local records = redis.call('HVALS', KEYS[1])
table.insert(records, 1, 'ok')
return records
