/**
 * What Redis runs: whatever is decided about a session is decided in these, one after another, at its primary. Path: redis engine -> [scripts]
 * -> log of the bucket. `commit` repeats `VariableTable.decide`; test/vectors/decide.json holds both to the same. Everything of a group is decided
 * before any of it is written.
 */

import { createHash } from 'node:crypto';
import { LINEAGE_CHARACTERS } from './lineage.js';

export interface Script {
  readonly text: string;
  /** By which Redis knows it. */
  readonly hash: string;
}

/**
 * A version as it is kept: version, revision, ms since 1970 and ttl as doubles, then the equality key and the payload. Servers of several ages
 * read it: fields may be added behind, none changed.
 */
const RECORD = '>ddddI4';

/**
 * ARGV: prefix of the bucket, run id of the process that the caller talks to, ms that windows are kept, entries that the log keeps, and groups:
 * session, flags (1 atomic, 2 makes the session, 4 ends it), link, answered, metadata, most variables, number of outcomes before it (sequence, result), those, number of operations, and of each:
 * `s` id sequence expected equality payload | `r` id sequence name firstVersion ttlMs equality registration payload | `d` id sequence reason.
 * Returns for each group: state (`` or `none` or `ended`), revision behind it, and a result an operation: a version, or `gone`,
 * `exists`, `full`, `last`, `other`, `twice` (in an atomic group), `early` (not due), `unknown` (the window has forgotten it), `conflict N`, `error CODE why` (refused before it came here).
 */
// Its first line makes Redis look at its memory before it starts: it never stops half way.
export const COMMIT: Script = script(`#!lua
local P, RUN, WINDOW_MS, LOG = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local head = redis.call('HMGET', P..'head', 'run', 'position', 'generation')
if head[1] ~= RUN then return redis.error_reply('FENCED '..(head[1] or '')) end
local position = tonumber(head[2] or '0')
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local MAX_VERSION = 9007199254740991
local at = 4
local function take() at = at + 1; return ARGV[at] end
local function text(number) return string.format('%.0f', number) end

local function read(record)
  local version, _, _, ttl, size, from = struct.unpack('${RECORD}', record)
  return { version = version, ttl = ttl, equality = string.sub(record, from, from + size - 1) }
end

local function nameIn(registration)
  local _, _, size, from = struct.unpack('>ddI4', registration)
  return string.sub(registration, from, from + size - 1)
end

local replies = {}
while at < #ARGV do
  local session, flags, link = take(), tonumber(take()), take()
  local answered, metadata, most = tonumber(take()), take(), tonumber(take())
  local said = {}
  for place = 1, 2 * tonumber(take()) do said[place] = take() end
  local count = tonumber(take())
  local isAtomic, makes, ends = flags % 2 == 1, flags % 4 >= 2, flags >= 4
  local S, G, N, R, V, X = P..'s:'..session, P..'g:'..session, P..'n:'..session, P..'r:'..session, P..'v:'..session, P..'x:'..session
  local operations = {}
  for place = 1, count do
    local kind = take()
    local id, sequence = take(), tonumber(take())
    if kind == 's' then
      operations[place] = { kind = kind, id = id, sequence = sequence, expected = tonumber(take()), equality = take(), payload = take() }
    elseif kind == 'r' then
      operations[place] = { kind = kind, id = id, sequence = sequence, name = take(), first = tonumber(take()), ttl = tonumber(take()), equality = take(), registration = take(), payload = take() }
    else
      operations[place] = { kind = kind, id = id, sequence = sequence, reason = take() }
    end
  end
  local about = redis.call('HMGET', S, 'revision', 'life', 'generation', 'lineage')
  local revision, life = tonumber(about[1] or nil), tonumber(about[2] or nil)
  local state, results, changes = '', {}, {}
  local before = revision or 0
  local isNew = false
  if revision == nil and makes then
    revision, isNew, life = 0, true, position + 1
  end
  if revision == nil then
    state = 'none'
  elseif not isNew and makes then
    state = ''
  else
    -- What the window knows.
    local from = 0
    local W = P..'w:'..link
    local isDone = false
    if link ~= '' and count > 0 then
      from = tonumber(redis.call('HGET', W, 'from') or '0')
      local sequences = {}
      for place, operation in ipairs(operations) do sequences[place] = operation.sequence end
      local known = redis.call('HMGET', W, unpack(sequences))
      for place, operation in ipairs(operations) do
        if known[place] then
          results[place] = tonumber(known[place]) or known[place]
          isDone = true
        elseif operation.sequence <= from then
          results[place] = 'unknown'
          isDone = true
        end
      end
    end
    -- An atomic group is made as a whole: so what is known of one is known of all.
    if not (isAtomic and isDone) then
      local present, names, named, isRefused, next = {}, {}, {}, false, revision
      for place, operation in ipairs(operations) do
        if results[place] == nil then
          local result
          if operation.kind == 'r' then
            local taken = names[operation.name]
            if taken == nil then taken = redis.call('HEXISTS', N, operation.name) == 1 end
            if taken then result = 'exists'
            elseif most > 0 and redis.call('HLEN', N) >= most then result = 'full'
            else
              names[operation.name] = true
              next = next + 1
              result = operation.first
              changes[#changes + 1] = { operation = operation, version = operation.first, revision = next, ttl = operation.ttl }
              present[operation.id] = { version = operation.first, equality = operation.equality, ttl = operation.ttl, name = operation.name }
            end
          else
            local known = present[operation.id]
            if known == nil then
              local record = redis.call('HGET', V, operation.id)
              known = record and read(record) or false
              present[operation.id] = known
            end
            if isAtomic and named[operation.id] then result = 'twice'
            elseif not known then result = 'gone'
            elseif operation.kind == 's' then
              if operation.expected and operation.expected ~= known.version then result = 'conflict '..text(known.version)
              elseif known.equality == operation.equality then
                result = known.version
                operation.renews = known.ttl > 0
              elseif known.version >= MAX_VERSION then result = 'last'
              else
                if not isAtomic then next = next + 1 end
                result = known.version + 1
                changes[#changes + 1] = { operation = operation, version = result, revision = isAtomic and revision + 1 or next, ttl = known.ttl }
                present[operation.id] = { version = result, equality = operation.equality, ttl = known.ttl, name = known.name }
              end
            else
              local due = operation.reason == 'expired' and redis.call('ZSCORE', X, operation.id)
              if operation.reason == 'expired' and not (due and tonumber(due) <= now) then result = 'early'
              else
                next = next + 1
                result = known.version + 1
                changes[#changes + 1] = { operation = operation, version = result, revision = next }
                present[operation.id] = false
                names[known.name or nameIn(redis.call('HGET', R, operation.id))] = false
              end
            end
          end
          results[place] = result
          named[operation.id] = true
          if type(result) == 'string' then isRefused = true end
        end
      end
      if isAtomic and isRefused then
        changes = {}
        for place, operation in ipairs(operations) do
          if type(results[place]) == 'number' then results[place] = 'other' end
        end
      elseif isAtomic and #changes > 0 then next = revision + 1 end
      if #changes == 0 then next = revision end

      -- From here on it is written.
      local packed = {}
      for place, change in ipairs(changes) do
        local operation = change.operation
        local id = operation.id
        if operation.kind == 'd' then
          local record = redis.call('HGET', V, id)
          local fields = { id }
          for slot = 0, 15 do fields[#fields + 1] = id..':'..slot end
          redis.call('HDEL', V, unpack(fields))
          local registration = redis.call('HGET', R, id)
          redis.call('HDEL', R, id)
          redis.call('HDEL', N, nameIn(registration))
          redis.call('ZREM', X, id)
          redis.call('RPUSH', G, struct.pack('>ddI2c0I4c0I4c0', change.version, change.revision, #operation.reason, operation.reason, #registration, registration, #record, record))
          if redis.call('LLEN', G) > 1024 then
            local _, forgotten = struct.unpack('>dd', redis.call('LPOP', G))
            redis.call('HSET', S, 'forgotten', text(forgotten))
          end
          packed[place] = struct.pack('>BI2c0ddI2c0', 2, #id, id, change.version, change.revision, #operation.reason, operation.reason)
        else
          local record = struct.pack('${RECORD}c0', change.version, change.revision, now, change.ttl, #operation.equality, operation.equality)..operation.payload
          redis.call('HSET', V, id, record, id..':'..text(change.version % 16), record)
          if change.ttl > 0 then redis.call('ZADD', X, now + change.ttl, id) end
          if operation.kind == 'r' then
            local registration = struct.pack('>ddI4c0I2c0', change.revision, now, #operation.name, operation.name, #id, id)..operation.registration
            redis.call('HSET', R, id, registration)
            redis.call('HSET', N, operation.name, id)
            packed[place] = struct.pack('>BI2c0ddI4c0I4c0', 1, #id, id, change.version, change.revision, #operation.registration, operation.registration, #operation.payload, operation.payload)
          else
            packed[place] = struct.pack('>BI2c0ddI4c0', 0, #id, id, change.version, change.revision, #operation.payload, operation.payload)
          end
        end
      end
      for place, operation in ipairs(operations) do
        if operation.renews and results[place] ~= 'other' then
          redis.call('ZADD', X, 'XX', now + present[operation.id].ttl, operation.id)
        end
      end
      local begins = isNew and metadata or ''
      if isNew then
        redis.call('HSET', S, 'metadata', metadata, 'created', now, 'life', text(life), 'forgotten', 0)
        redis.call('SADD', P..'sessions', session)
      end
      -- What has a higher revision than the first of the generations behind its own began with is lost.
      if about[3] ~= head[3] then
        local lineage = (about[4] or '')..head[3]..':'..text(before)..' '
        redis.call('HSET', S, 'generation', head[3], 'lineage', string.sub(lineage, -${LINEAGE_CHARACTERS}))
      end
      if ends then
        redis.call('UNLINK', S, G, N, R, V, X)
        redis.call('SREM', P..'sessions', session)
        state = 'ended'
      else
        redis.call('HSET', S, 'revision', text(next), 'used', now)
      end
      if #changes > 0 or isNew or ends then
        position = position + 1
        redis.call('XADD', P..'log', 'MAXLEN', '~', LOG, text(position)..'-1', 's', session, 'h', struct.pack('>Bddddd', (isNew and 1 or 0) + (ends and 2 or 0), before, next, now, life, tonumber(head[3])), 'm', begins, 'c', table.concat(packed))
      end
      revision = next
      if link ~= '' and count > 0 then
        for place, operation in ipairs(operations) do
          said[#said + 1] = operation.sequence
          said[#said + 1] = type(results[place]) == 'number' and text(results[place]) or results[place]
        end
        local last = operations[#operations].sequence
        local to = math.max(answered, last - 10000)
        if from == 0 and to < operations[1].sequence then from = operations[1].sequence - 1 end
        if to > from then
          local forgotten = {}
          for sequence = from + 1, math.min(to, from + 4000) do forgotten[#forgotten + 1] = sequence end
          redis.call('HDEL', W, unpack(forgotten))
          from = forgotten[#forgotten]
        end
        said[#said + 1] = 'from'
        said[#said + 1] = from
        redis.call('HSET', W, unpack(said))
        redis.call('PEXPIRE', W, WINDOW_MS)
      end
    end
  end
  for place, result in ipairs(results) do
    if type(result) == 'number' then results[place] = text(result) end
  end
  replies[#replies + 1] = { state, text(revision or 0), results }
end
redis.call('HSET', P..'head', 'position', text(position))
return replies
`);

/**
 * Says which process is the primary now. ARGV: prefix of the bucket, its run id, the last generation that the caller knows of (-1: none) and the
 * run id that this one belongs to. Returns the generation. One begins when another process took over: its data may lack what the one before had
 * acknowledged, the generation too; so none is given twice.
 */
export const TAKE_OVER: Script = script(`
local P, RUN, KNOWN, KNOWN_RUN = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local head = redis.call('HMGET', P..'head', 'run', 'generation')
local generation = tonumber(head[2] or '-1')
if head[1] == RUN and (KNOWN < generation or KNOWN_RUN == RUN) then return generation end
generation = math.max(generation, KNOWN) + 1
redis.call('HSET', P..'head', 'run', RUN, 'generation', generation)
return generation
`);

/** A server lives. ARGV: key of the list, its endpoint, ms that it says so for (0: it goes). Returns those that live, by Redis' clock. */
export const LEASE: Script = script(`
local KEY, ENDPOINT, LEASE_MS = ARGV[1], ARGV[2], tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEY, '-inf', now)
if LEASE_MS > 0 then redis.call('ZADD', KEY, now + LEASE_MS, ENDPOINT) else redis.call('ZREM', KEY, ENDPOINT) end
return redis.call('ZRANGE', KEY, 0, 99)
`);

/** A session is used. ARGV: prefix of the bucket, session. By Redis' clock, as everything that all servers compare. */
export const TOUCH: Script = script(`
local key = ARGV[1]..'s:'..ARGV[2]
local clock = redis.call('TIME')
if redis.call('EXISTS', key) == 1 then redis.call('HSET', key, 'used', clock[1] * 1000 + math.floor(clock[2] / 1000)) end
return 1
`);

/** Ms since it was used. ARGV: as above. */
export const IDLE: Script = script(`
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
return now - tonumber(redis.call('HGET', ARGV[1]..'s:'..ARGV[2], 'used') or '0')
`);

/** A session as it is now: ARGV: prefix of the bucket, session. Returns its hash and the generation, registrations, versions and what went; or nothing. */
export const READ_SESSION: Script = script(`
local P, session = ARGV[1], ARGV[2]
local s = redis.call('HMGET', P..'s:'..session, 'revision', 'metadata', 'created', 'life', 'forgotten', 'lineage')
if not s[1] then return false end
s[7] = redis.call('HGET', P..'head', 'generation')
return { s, redis.call('HGETALL', P..'r:'..session), redis.call('HGETALL', P..'v:'..session), redis.call('LRANGE', P..'g:'..session, 0, -1) }
`);

function script(text: string): Script {
  return { text, hash: createHash('sha1').update(text).digest('hex') };
}
