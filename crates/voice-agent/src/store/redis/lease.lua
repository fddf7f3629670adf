-- How a session stands to somebody who thinks he owns it: nothing if he does, or why not.
local function disowned(session_key, lease_key, fence)
  local lease = redis.call('HMGET', lease_key, 'fence', 'ended', 'erased')
  if lease[3] == '1' then return {'ended'} end
  if not lease[1] or redis.call('EXISTS', session_key) == 0 then return {'not_found'} end
  if lease[1] ~= fence then return {'fenced'} end
  if lease[2] == '1' then return {'ended'} end
  return nil
end
