-- A user's tasks under changes, in memory: nothing is written before all of it is known to fit, since a script that ends early
-- leaves what it wrote.
local function open_tasks(tasks_key, undo_key, most_tasks, most_undo)
  local rev = redis.call('HGET', tasks_key, 'rev')
  return {
    tasks_key = tasks_key, undo_key = undo_key,
    most_tasks = tonumber(most_tasks), most_undo = tonumber(most_undo),
    rev = tonumber(rev or '0'), count = redis.call('HLEN', tasks_key) - (rev and 1 or 0),
    bodies = {}, popped = 0, pushed = {}, touched = false,
  }
end

local function has_task(user, id)
  local body = user.bodies[id]
  if body ~= nil then return body ~= false end
  return redis.call('HEXISTS', user.tasks_key, 'task:' .. id) == 1
end

-- Makes the changes if the tasks are still at `expected` ('' is any). Gives back why not, or nothing. Without changes nothing can
-- be in conflict.
local function change_tasks(user, expected, changes, undo)
  if #changes == 0 and undo[1] == 'none' then return nil end
  if expected ~= '' and tonumber(expected) ~= user.rev then return {'conflict'} end
  user.rev = user.rev + 1
  user.touched = true
  local created = false
  for _, change in ipairs(changes) do
    local kind, id, body = change[1], change[2], change[3]
    local there = has_task(user, id)
    if kind == 'created' then
      if there then return {'duplicate', id} end
      user.bodies[id] = body
      user.count = user.count + 1
      created = true
    elseif not there then
      return {'missing', id}
    elseif kind == 'updated' then
      user.bodies[id] = body
    else
      user.bodies[id] = false
      user.count = user.count - 1
    end
  end
  if created and user.count > user.most_tasks then return {'too_many'} end
  if undo[1] == 'push' then
    table.insert(user.pushed, undo[2])
  elseif undo[1] == 'pop' then
    local count = undo[2]
    while count > 0 and #user.pushed > 0 do
      table.remove(user.pushed)
      count = count - 1
    end
    user.popped = user.popped + count
  end
  return nil
end

local function revision(user)
  return string.format('%.0f', user.rev)
end

local function write_tasks(user)
  if not user.touched then return end
  redis.call('HSET', user.tasks_key, 'rev', revision(user))
  for id, body in pairs(user.bodies) do
    if body then
      redis.call('HSET', user.tasks_key, 'task:' .. id, body)
    else
      redis.call('HDEL', user.tasks_key, 'task:' .. id)
    end
  end
  if user.popped > 0 then redis.call('LTRIM', user.undo_key, 0, -1 - user.popped) end
  for _, entry in ipairs(user.pushed) do redis.call('RPUSH', user.undo_key, entry) end
  if #user.pushed > 0 then redis.call('LTRIM', user.undo_key, -user.most_undo, -1) end
end
