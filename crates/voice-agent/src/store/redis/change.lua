-- KEYS: tasks, undo. ARGV: expected revision or '', changes as JSON, undo as JSON, most tasks, most undo steps, news channel, who tells
-- it, user.
local user = open_tasks(KEYS[1], KEYS[2], ARGV[4], ARGV[5])
local changes = cjson.decode(ARGV[2])
local why = change_tasks(user, ARGV[1], changes, cjson.decode(ARGV[3]))
if why then return why end
write_tasks(user)
if #changes > 0 then redis.call('PUBLISH', ARGV[6], cjson.encode({ARGV[7], ARGV[8], revision(user)})) end
return {'ok', revision(user)}
