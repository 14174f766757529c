"""What Redis does as one step: admission, leaving, leases and health, in Lua.

Keys, below a prefix and a client key's name:

    s:<session>   hash: charged, reserved, held (the session's places), waiting
    q:<session>   sorted set: tickets that wait for a place of their session, by arrival
    wait          sorted set: tickets that have one and wait for a place of the key, by arrival
    run           set: tickets that run
    tickets       hash: ticket → stage (q, k or r), reserved tokens, session
    leases        sorted set: every ticket by the end of its lease; the next script that comes drops what is over
    seq           counter of arrivals

Time is the server's own. A ticket is `<worker>.<number>`; who is granted a place is told on the worker's channel.
"""

_COMMON = """
local prefix, key = ARGV[1], ARGV[2]
local n, m = tonumber(ARGV[3]), tonumber(ARGV[4])
local lease, ttl = tonumber(ARGV[5]), tonumber(ARGV[6])
local base = prefix .. key .. ':'
local LEASES, TICKETS, RUN, WAIT = base .. 'leases', base .. 'tickets', base .. 'run', base .. 'wait'
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local function row(s) return base .. 's:' .. s end
local function line(s) return base .. 'q:' .. s end
local function count(s, name) return tonumber(redis.call('HGET', row(s), name) or '0') end
local function add(s, name, by) if by ~= 0 then redis.call('HINCRBY', row(s), name, by) end end
local function next_number() return redis.call('INCR', base .. 'seq') end
local function read(ticket)
  local held = redis.call('HGET', TICKETS, ticket)
  if not held then return nil end
  local stage, tokens, s = string.match(held, '^(%a) (%d+) (.*)$')
  return stage, tonumber(tokens), s
end
local function put(ticket, stage, tokens, s)
  redis.call('HSET', TICKETS, ticket, stage .. ' ' .. string.format('%.0f', tokens) .. ' ' .. s)
end
local function drop(ticket)
  local stage, tokens, s = read(ticket)
  redis.call('ZREM', LEASES, ticket)
  if not stage then return nil end
  redis.call('HDEL', TICKETS, ticket)
  add(s, 'reserved', -tokens)
  if stage == 'r' then
    redis.call('SREM', RUN, ticket)
    add(s, 'held', -1)
  elseif stage == 'k' then
    redis.call('ZREM', WAIT, ticket)
    add(s, 'waiting', -1)
    add(s, 'held', -1)
  else
    redis.call('ZREM', line(s), ticket)
    add(s, 'waiting', -1)
  end
  return s
end
local function grant(session)
  while redis.call('ZCARD', line(session)) > 0 and (n == 0 or count(session, 'held') < n) do
    local ticket = redis.call('ZPOPMIN', line(session))[1]
    local _, tokens, s = read(ticket)
    if s then
      add(s, 'held', 1)
      put(ticket, 'k', tokens, s)
      redis.call('ZADD', WAIT, next_number(), ticket)
    end
  end
  while redis.call('ZCARD', WAIT) > 0 and (m == 0 or redis.call('SCARD', RUN) < m) do
    local ticket = redis.call('ZPOPMIN', WAIT)[1]
    local _, tokens, s = read(ticket)
    if s then
      add(s, 'waiting', -1)
      put(ticket, 'r', tokens, s)
      redis.call('SADD', RUN, ticket)
      redis.call('PUBLISH', prefix .. 'granted:' .. string.match(ticket, '^(.*)%.'),
                 ticket .. ' ' .. tostring(count(s, 'waiting')))
    end
  end
end
local function purge()
  for _, ticket in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, 100)) do
    local s = drop(ticket)
    if s then grant(s) end
  end
end
"""

_ADMIT = """
local ticket, s = ARGV[7], ARGV[8]
local tokens, budget, queue = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local rate, window = tonumber(ARGV[12]), ARGV[13]
local function microseconds_until_one_fits()
  local oldest = rate > 0 and redis.call('LINDEX', window, rate - 1)
  return oldest and math.ceil(math.max(0, tonumber(oldest) + 60 - now) * 1000000) or 0
end
purge()
if redis.call('EXISTS', prefix .. 'done:' .. ticket) == 1 then return {'gone', 0} end
local used = count(s, 'charged') + count(s, 'reserved')
if budget > 0 and used + tokens > budget then return {'budget', used} end
local session_full = n > 0 and (count(s, 'held') >= n or redis.call('ZCARD', line(s)) > 0)
local key_full = m > 0 and (redis.call('SCARD', RUN) >= m or redis.call('ZCARD', WAIT) > 0)
if (session_full or key_full) and queue > 0 and count(s, 'waiting') >= queue then
  local wait = microseconds_until_one_fits()
  return {wait > 0 and 'rate' or 'queue', wait}
end
if rate > 0 and not moving_window({window}, {0, rate, 60, 1}) then
  return {'rate', microseconds_until_one_fits()}
end
local stage = 'r'
if session_full then
  stage = 'q'
  redis.call('ZADD', line(s), next_number(), ticket)
else
  add(s, 'held', 1)
  if key_full then
    stage = 'k'
    redis.call('ZADD', WAIT, next_number(), ticket)
  else
    redis.call('SADD', RUN, ticket)
  end
end
if stage ~= 'r' then add(s, 'waiting', 1) end
add(s, 'reserved', tokens)
put(ticket, stage, tokens, s)
redis.call('ZADD', LEASES, now + lease, ticket)
redis.call('EXPIRE', row(s), ttl)
return {stage, count(s, 'waiting')}
"""


def admit_script(window: str) -> str:
    """Admission as one step, with the body of the moving window's function.

    ARGV 7: ticket, session, tokens, budget, queue, rate, the window's name. -> {stage, waiting} | {'budget', used} |
    {'rate', microseconds until one fits} | {'queue', 0}, or {'gone', 0} when its client left so early that the server
    heard of the end first. Only what passed everything else is counted in the minute.
    """
    return f"{_COMMON}\nlocal function moving_window(KEYS, ARGV)\n{window}\nend\n{_ADMIT}"


# ARGV 7: ticket, session, charge. A ticket is finished once, however often it is tried.
FINISH = (
    _COMMON
    + """
local ticket, s, charge = ARGV[7], ARGV[8], tonumber(ARGV[9])
purge()
if redis.call('SET', prefix .. 'done:' .. ticket, 1, 'NX', 'EX', 900) then
  drop(ticket)
  add(s, 'charged', charge)
  redis.call('EXPIRE', row(s), ttl)
  grant(s)
end
return 1
"""
)

# ARGV 7…: ticket, session, tokens, stage as the worker knows it, again and again. -> the stages, '' for a lost one.
# A running ticket that the server forgot (it was restarted, or out of reach for longer than a lease) counts again.
RENEW = (
    _COMMON
    + """
local stages = {}
for i = 7, #ARGV, 4 do
  local ticket, s, tokens, known = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]
  local stage = read(ticket)
  if not stage and known == 'r' and redis.call('EXISTS', prefix .. 'done:' .. ticket) == 0 then
    stage = 'r'
    add(s, 'held', 1)
    add(s, 'reserved', tokens)
    redis.call('SADD', RUN, ticket)
    put(ticket, stage, tokens, s)
  end
  if stage then redis.call('ZADD', LEASES, now + lease, ticket) end
  stages[#stages + 1] = stage or ''
end
purge()
return stages
"""
)

# KEYS 1: the hash. ARGV: name, the value that is expected ('' for none), the new one ('' for none). -> {done, current}
SWAP = """
local held = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if held ~= ARGV[2] then return {0, held} end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return {1, ARGV[3]}
"""

# Goes before the moving window of `limits`: the moment is the server's, the same for every gateway; and when that
# clock was set back, what now lies in the future counts as of now: nobody is locked out for longer than a window.
WINDOW_CLOCK = b"""
local server_clock = redis.call('TIME')
ARGV[1] = tonumber(server_clock[1]) + tonumber(server_clock[2]) / 1000000
local newest = redis.call('LINDEX', KEYS[1], 0)
if newest and tonumber(newest) > ARGV[1] + 1 then
  local hits = redis.call('LLEN', KEYS[1])
  redis.call('DEL', KEYS[1])
  for _ = 1, hits do redis.call('RPUSH', KEYS[1], ARGV[1]) end
  redis.call('EXPIRE', KEYS[1], tonumber(ARGV[3]))
end
"""
