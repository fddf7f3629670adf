-- KEYS: session, lease, intents, then tasks and undo of each user. ARGV: fence, doc, TTL (ms), the tools as JSON, most tasks, most
-- undo steps, news channel, who tells it. A tool is {place of its user's keys, intent, expected revision, changes, undo, output, user}.
local refused = disowned(KEYS[1], KEYS[2], ARGV[1])
if refused then return refused end
local users, rev, told = {}, '', nil
local tools = cjson.decode(ARGV[4])
for _, tool in ipairs(tools) do
  local place = tool[1]
  local output = redis.call('HGET', KEYS[3], tool[2])
  if output then return {'applied', output} end
  local user = users[place] or open_tasks(KEYS[place], KEYS[place + 1], ARGV[5], ARGV[6])
  users[place] = user
  -- Each tool was computed on the list as the one before leaves it.
  local why = change_tasks(user, rev ~= '' and rev or tool[3], tool[4], tool[5])
  if why then return why end
  rev = revision(user)
  if not told then told = {tool[7], tool[3]} end
end
for _, user in pairs(users) do write_tasks(user) end
for _, tool in ipairs(tools) do redis.call('HSET', KEYS[3], tool[2], tool[6]) end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
if told and told[2] ~= rev then redis.call('PUBLISH', ARGV[7], cjson.encode({ARGV[8], told[1], rev})) end
return {'ok', rev}
