/**
 * What a server has Redis do about keys of sessions that somebody took or spoilt: what others say as well is written anew, and what is lost is given up in
 * another generation, as after a failover. Path: key care -> [mend script]. Keys that are of another type fail it before it has changed anything of their session.
 */
import { LINEAGE_CHARACTERS } from '../format/lineage.js';
import { RECORDS_LUA, type Script, script, WITHOUT_ROOM } from './scripts.js';

/** `none`: nothing of it is there. `lost`: all of it is. `some`: what is there is not all that was told. `doubt`: something is odd, and the caller has to be sure of whom it asks. */
export type Mended = 'whole' | 'none' | 'lost' | 'some' | 'mended' | 'doubt';

/**
 * ARGV: prefix of the bucket, run id of the process that the caller talks to, the generation as it knows it, 1 where it has just asked which process that is, and of each session: its id, and as far as the caller knows (-1: it does not) its life, revision, number of variables and 1 where it remembers deleted ones, and 1 where all of its
 * variables shall be looked at, else their numbers are. Returns the generation of the bucket, -1 where another process or none has it, and of each session what has become of it.
 */
export const MEND: Script = script(`${WITHOUT_ROOM}
local P, RUN, call, format = ARGV[1], ARGV[2], redis.call, string.format
${RECORDS_LUA}
local head = call('HMGET', P..'head', 'run', 'generation')
local generation = tonumber(head[2] or nil)
-- A process that has begun again may lack what was told: that is looked for first.
if head[1] ~= RUN or not generation then return { -1 } end
local said, known, OF_CALLER = { generation }, generation, tonumber(ARGV[3])
local isSure = ARGV[4] == '1'
-- Where something is lost every server looks what it has told of it, as after a failover.
local function begin()
  if generation == known then
    generation = generation + 1
    call('HSET', P..'head', 'generation', format('%d', generation))
    said[1] = generation
  end
end
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local SLOT = '^(.*):%d+$'

local function eachOf(key, fields, take)
  for first = 1, #fields, 4000 do
    local last = math.min(first + 3999, #fields)
    local values = call('HMGET', key, unpack(fields, first, last))
    for place = first, last do take(fields[place], values[place - first + 1]) end
  end
end

for at = 5, #ARGV, 6 do
  local session, life, told, count, gone = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local S, G, N, R, V, X = P..'s:'..session, P..'g:'..session, P..'n:'..session, P..'r:'..session, P..'v:'..session, P..'x:'..session
  local registered, named, versions, deleted = call('HLEN', R), call('HLEN', N), call('HLEN', V), call('LLEN', G)
  call('ZCARD', X)
  local about = call('HMGET', S, 'revision', 'life', 'created', 'metadata', 'forgotten', 'generation', 'lineage')
  local revision, forgotten = tonumber(about[1] or nil), tonumber(about[5] or nil)
  local isMember = call('SISMEMBER', P..'sessions', session) == 1
  local state = 'whole'
  -- Of another generation or life the caller knows nothing yet.
  if known ~= OF_CALLER or tonumber(about[2] or nil) ~= life then told, count, gone = -1, -1, 0 end
  if not (revision and tonumber(about[2] or nil) and tonumber(about[3] or nil) and about[4]) then
    if not (isMember or about[1] or call('EXISTS', S, G, N, R, V, X) > 0) then
      state = 'none'
    elseif not isSure then
      state = 'doubt'
    else
      call('UNLINK', S, G, N, R, V, X)
      call('SREM', P..'sessions', session)
      begin()
      state = 'lost'
    end
  else
    if not isMember then
      call('SADD', P..'sessions', session)
      state = 'mended'
    end
    if not forgotten or (deleted == 0 and gone > 0 and forgotten < revision and told == revision) then
      forgotten = revision
      call('HSET', S, 'forgotten', format('%d', revision))
      state = 'mended'
    end
    local isLess = not (about[6] and about[7]) or revision < told
    local isSame = revision == told and count >= 0
    local isOdd = ARGV[at + 5] == '1' or registered ~= named or versions < 2 * registered or (isSame and registered ~= count)
    if not isSure and (isOdd or isLess) then
      state, isOdd, isLess = 'doubt', false, false
    end
    if isOdd then
      local lost, names, places, present, expires = {}, {}, {}, {}, {}
      local function drop(id)
        isLess, present[id] = true, nil
        lost[#lost + 1] = id
      end
      local registrations = {}
      eachOf(R, call('HKEYS', R), function(id, registration) registrations[id] = registration end)
      local ids = {}
      for id in pairs(registrations) do ids[#ids + 1] = id end
      eachOf(V, ids, function(id, record)
        local registration = registrations[id]
        local name = nameIn(registration, id)
        if not versionIn(record) then
          record = restored(V, id)
          state = 'mended'
        end
        if not record or name == '' then return drop(id) end
        local place = struct.unpack('>d', registration)
        local other = names[name]
        if other and places[other] > place then return drop(id) end
        if other then drop(other) end
        local _, _, _, ttl = struct.unpack('>dddd', record)
        names[name], places[id], present[id] = id, place, ttl
      end)
      for _, field in ipairs(call('HKEYS', V)) do
        local id = string.match(field, SLOT) or field
        if not registrations[id] then
          registrations[id] = true
          drop(id)
        end
      end
      for place = 1, #lost do
        local id = lost[place]
        local fields = { id }
        for slot = 0, 15 do fields[slot + 2] = id..':'..slot end
        call('HDEL', V, unpack(fields))
        call('HDEL', R, id)
        call('ZREM', X, id)
      end
      local kept = call('HGETALL', N)
      for place = 1, #kept, 2 do
        local name, id = kept[place], kept[place + 1]
        if names[name] == id then names[name] = nil
        else
          -- Nothing else is left of it, or another has its name.
          if not registrations[id] then isLess = true end
          call('HDEL', N, name)
          state = 'mended'
        end
      end
      for name, id in pairs(names) do
        call('HSET', N, name, id)
        state = 'mended'
      end
      for id, ttl in pairs(present) do
        if ttl > 0 and not call('ZSCORE', X, id) then
          call('ZADD', X, format('%d', now + ttl), id)
          state = 'mended'
        end
      end
      if isSame and call('HLEN', R) ~= count then isLess = true end
    end
    if isLess then
      -- Nobody knows which of what was told is kept: the next generation begins before all of it, and its first commit is next to none that a server has.
      revision = math.max(revision, told) + 1
      begin()
      local begun = format('%d', generation)
      local lineage = (about[7] or '')..begun..':0 '
      call('HSET', S, 'generation', begun, 'lineage', string.sub(lineage, -${LINEAGE_CHARACTERS}), 'revision', format('%d', revision), 'forgotten', format('%d', revision))
      state = 'some'
    end
  end
  said[#said + 1] = state
end
return said
`);
