-- KEYS: an order's answers.
local answers = redis.call('HGETALL', KEYS[1])
table.insert(answers, 1, 'ok')
return answers
