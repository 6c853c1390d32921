/**
 * What Redis runs of whatever is asked of a session: decided at its primary, one group after another. Path: commit calls -> [commit script] -> log of the
 * bucket. It repeats `VariableTable.decide`; test/vectors/decide.json holds both to the same. Everything of a group is decided before any of it is written.
 */
import { LINEAGE_CHARACTERS } from '../format/lineage.js';
import { RECORD, RECORDS_LUA, type Script, script, WINDOW_FROM } from './scripts.js';

/**
 * ARGV: prefix of the bucket, run id of the process that the caller talks to, ms that windows are kept, entries that the log keeps, and groups, each a packed list:
 * session, flags (1 atomic, 2 makes the session, 4 ends it), link, answered, metadata, most variables, number of outcomes before it (sequence, result), those, number of operations, and of each:
 * `s` id sequence expected equality payload | `r` id sequence name firstVersion ttlMs equality registration payload | `d` id sequence reason;
 * and the last set of the link that is known to be made, `` where all before the first are.
 * Returns for each group: state (`` or `none` or `ended`), revision behind it, how many the window knew, and a result an operation: a version, or `gone`,
 * `exists`, `full`, `last`, `other`, `twice` (in an atomic group), `early` (not due), `unknown` (the window has forgotten it), `conflict N`, `error CODE why` (refused before it came here).
 */
// Its first line makes Redis look at its memory before it starts: it never stops half way. One before 7 looks before the first write that needs some.
export const COMMIT: Script = script(`#!lua
local P, RUN, WINDOW_MS, LOG = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local call, pack, unpackRecord, format = redis.call, struct.pack, struct.unpack, string.format
local sub, concat = string.sub, table.concat
local head = call('HMGET', P..'head', 'run', 'position', 'generation', 'ended')
-- One that lacks its generation is nobody's either: a takeover begins one.
if head[1] ~= RUN or not tonumber(head[3] or nil) then return redis.error_reply('FENCED '..(head[1] or '')) end
local position, generation = tonumber(head[2] or nil), head[3]
-- The highest revision of sessions that were ended: one of the same id may be made anew, and clients say by revisions where they were.
local ended = tonumber(head[4] or nil) or 0
-- Before anything is written: whether the log is ours, and where it ends if its head is lost.
if call('XLEN', P..'log') > 0 and not position then
  position = tonumber(string.match(call('XREVRANGE', P..'log', '+', '-', 'COUNT', 1)[1][1], '^%d+'))
end
position = position or 0
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local nowText, NOW_FOR_EVER = format('%d', now), pack('>dd', now, 0)
local MAX_VERSION = 9007199254740991
local SLOTS = { [0] = ':0', ':1', ':2', ':3', ':4', ':5', ':6', ':7', ':8', ':9', ':10', ':11', ':12', ':13', ':14', ':15' }

-- A call takes no more of a table than Lua's stack holds: 8,000.
local function getAll(key, fields)
  if #fields <= 4000 then return call('HMGET', key, unpack(fields)) end
  local all = {}
  for first = 1, #fields, 4000 do
    local part = call('HMGET', key, unpack(fields, first, math.min(first + 3999, #fields)))
    for place = 1, #part do all[first + place - 1] = part[place] end
  end
  return all
end
local function setAll(key, pairs)
  for first = 1, #pairs, 4000 do call('HSET', key, unpack(pairs, first, math.min(first + 3999, #pairs))) end
end

-- Each of the few sizes that occur is packed once.
local function sizeAs(kind)
  local sizes = {}
  return function(text)
    local size = #text
    local packed = sizes[size]
    if not packed then
      packed = pack(kind, size)
      sizes[size] = packed
    end
    return packed
  end
end
local size2, size4 = sizeAs('>I2'), sizeAs('>I4')

${RECORDS_LUA}
-- Entries of somebody else may stand in the log: ours come behind them.
local function append(...)
  position = position + 1
  if type(redis.pcall('XADD', P..'log', 'MAXLEN', '~', LOG, format('%d-1', position), ...)) ~= 'table' then return end
  local about = call('XINFO', 'STREAM', P..'log')
  for place = 1, #about, 2 do
    if about[place] == 'last-generated-id' then position = tonumber(string.match(about[place + 1], '^%d+')) + 1 end
  end
  call('XADD', P..'log', 'MAXLEN', '~', LOG, format('%d-1', position), ...)
end

local replies = {}
for group = 5, #ARGV do
  local asked = cmsgpack.unpack(ARGV[group])
  local session, flags, link, answered, metadata, most = asked[1], tonumber(asked[2]), asked[3], tonumber(asked[4]), asked[5], tonumber(asked[6])
  local said, toSay = {}, 2 * tonumber(asked[7])
  for place = 1, toSay do said[place] = asked[7 + place] end
  local count = tonumber(asked[8 + toSay])
  local at = 9 + toSay
  local isAtomic, makes, ends = flags % 2 == 1, flags % 4 >= 2, flags >= 4
  local S, G, N, R, V, X = P..'s:'..session, P..'g:'..session, P..'n:'..session, P..'r:'..session, P..'v:'..session, P..'x:'..session
  -- Where each begins; arrays, because a table for each costs more than all that is done with it.
  local starts, kinds, ids, sequences = {}, {}, {}, {}
  local isPlain = not makes and not ends
  for place = 1, count do
    local kind = asked[at]
    if kind ~= 's' then isPlain = false end
    starts[place], kinds[place], ids[place], sequences[place] = at, kind, asked[at + 1], asked[at + 2]
    at = at + (kind == 's' and 6 or kind == 'r' and 9 or 4)
  end
  local done = tonumber(asked[at] or nil)
  local about = call('HMGET', S, 'revision', 'life', 'generation', 'lineage')
  if not isPlain then
    -- What it is written to: whether each is ours says its first command, before there is anything half done.
    call('HLEN', R) call('HLEN', N) call('LLEN', G) call('ZCARD', X) call('SCARD', P..'sessions')
  end
  local revision, life = tonumber(about[1] or nil), tonumber(about[2] or nil)
  -- Somebody took some of it: whoever hears that it is not there looks at the rest.
  if life == nil then revision = nil end
  local state, results, hits = '', {}, 0
  local before = revision or 0
  local isNew = false
  if revision == nil and makes then
    revision, isNew, life = ended, true, position + 1
  end
  if revision == nil then
    state = 'none'
  elseif isNew or not makes then
    -- What the window knows.
    local isKnown, from, lastKept, hole = false, 0, nil, nil
    local W = P..'w:'..link
    local isWindowed = link ~= '' and count > 0
    local isDone = false
    if isWindowed then
      local kept = call('HMGET', W, 'from', 'last', 'generation')
      isKnown = kept[1]
      from, lastKept = tonumber(isKnown or '0'), tonumber(kept[2] or nil)
      -- The outcome of each set of a link that is made is in its window: where a generation begins without the last of them, it was lost.
      if lastKept and kept[3] ~= generation then
        if (done or tonumber(said[1] or sequences[1]) - 1) > math.max(lastKept, from) then hole = lastKept end
        -- Nor is it known to be kept where a generation begins before all of it.
        for anew in string.gmatch(about[4] or '', '(%d+):0 ') do
          if tonumber(anew) > tonumber(kept[3] or generation) then hole = 0 end
        end
      end
      local known = getAll(W, sequences)
      for place = 1, count do
        if known[place] then
          results[place] = tonumber(known[place]) or known[place]
          hits = hits + 1
          isDone = true
        elseif tonumber(sequences[place]) <= from then
          results[place] = 'unknown'
          isDone = true
        end
      end
    end
    local next, changed = revision, {}
    local versions, equalities, ttls = {}, {}, {}
    local revisions, isRenewing = {}, {}
    -- An atomic group is made as a whole: so what is known of one is known of all.
    if not (isAtomic and isDone) and count > 0 then
      local records = getAll(V, ids)
      local names, nameOf, named, isRefused, more = {}, {}, {}, false, 0
      for place = 1, count do
        if results[place] == nil then
          local start, kind, id = starts[place], kinds[place], ids[place]
          local result
          if kind == 'r' then
            local name = asked[start + 3]
            local taken = names[name]
            if taken == nil then taken = call('HEXISTS', N, name) == 1 end
            if taken then result = 'exists'
            elseif most > 0 and call('HLEN', N) + more >= most then result = 'full'
            else
              names[name], nameOf[id], more = true, name, more + 1
              next = next + 1
              result = tonumber(asked[start + 4])
              changed[#changed + 1], revisions[place] = place, next
              versions[id], equalities[id], ttls[id] = result, asked[start + 6], tonumber(asked[start + 5])
            end
          else
            local version = versions[id]
            if version == nil then
              local record, _, ttl, size, first = records[place]
              if record and #record >= 36 then version, _, _, ttl, size, first = unpackRecord('${RECORD}', record) end
              if not (version and version >= 1 and version <= MAX_VERSION) then
                record, version = restored(V, id), nil
                if record then version, _, _, ttl, size, first = unpackRecord('${RECORD}', record) end
              end
              if version then
                equalities[id], ttls[id] = sub(record, first, first + size - 1), ttl
                if ttl > 0 then call('ZCARD', X) end
              else version = false end
              versions[id] = version
            end
            if isAtomic and named[id] then result = 'twice'
            elseif not version then result = 'gone'
            elseif kind == 's' then
              local expected = asked[start + 3]
              if expected ~= '' and tonumber(expected) ~= version then result = 'conflict '..format('%d', version)
              elseif equalities[id] == asked[start + 4] then
                result = version
                isRenewing[place] = ttls[id] > 0
              elseif version >= MAX_VERSION then result = 'last'
              else
                if isAtomic then revisions[place] = revision + 1
                else
                  next = next + 1
                  revisions[place] = next
                end
                result = version + 1
                changed[#changed + 1] = place
                versions[id], equalities[id] = result, asked[start + 4]
              end
            else
              local due = asked[start + 3] == 'expired' and call('ZSCORE', X, id)
              if asked[start + 3] == 'expired' and not (due and tonumber(due) <= now) then
                result = 'early'
                -- Somebody took it: it lives as long as one that was set now.
                if not due and ttls[id] > 0 then call('ZADD', X, format('%d', now + ttls[id]), id) end
              else
                next = next + 1
                result = version + 1
                changed[#changed + 1], revisions[place] = place, next
                versions[id], more = false, more - 1
                names[nameOf[id] or nameIn(call('HGET', R, id), id)] = false
              end
            end
          end
          results[place] = result
          if isAtomic then
            named[id] = true
            if type(result) == 'string' then isRefused = true end
          end
        end
      end
      if isAtomic and isRefused then
        changed = {}
        for place = 1, count do
          if type(results[place]) == 'number' then results[place] = 'other' end
        end
      elseif isAtomic and #changed > 0 then next = revision + 1 end
      if #changed == 0 then next = revision end
    end
    if not (isAtomic and isDone) then
      -- From here on it is written.
      local packed, written = {}, {}
      for index = 1, #changed do
        local place = changed[index]
        local start, kind, id, version = starts[place], kinds[place], ids[place], results[place]
        if kind == 'd' then
          -- Behind what was set before it.
          setAll(V, written)
          written = {}
          local reason = asked[start + 3]
          local record = call('HGET', V, id)
          local fields = { id }
          for slot = 0, 15 do fields[#fields + 1] = id..SLOTS[slot] end
          call('HDEL', V, unpack(fields))
          local registration = call('HGET', R, id)
          call('HDEL', R, id)
          local name = nameIn(registration, id)
          call('HDEL', N, name)
          call('ZREM', X, id)
          if name == '' then call('HSET', S, 'forgotten', format('%d', revisions[place]))
          else call('RPUSH', G, pack('>ddI2c0I4c0I4c0', version, revisions[place], #reason, reason, #registration, registration, #record, record)) end
          if call('LLEN', G) > 1024 then
            local _, forgotten = unpackRecord('>dd', call('LPOP', G))
            call('HSET', S, 'forgotten', format('%d', forgotten))
          end
          packed[index] = '\\2'..size2(id)..id..pack('>dd', version, revisions[place])..size2(reason)..reason
        else
          local isSet = kind == 's'
          local equality, payload = asked[start + (isSet and 4 or 6)], asked[start + (isSet and 5 or 8)]
          local ttl = ttls[id]
          local places = pack('>dd', version, revisions[place])
          local record = places..(ttl == 0 and NOW_FOR_EVER or pack('>dd', now, ttl))..size4(equality)..equality..payload
          local size = #written
          written[size + 1], written[size + 2], written[size + 3], written[size + 4] = id, record, id..SLOTS[version % 16], record
          if ttl > 0 then call('ZADD', X, format('%d', now + ttl), id) end
          if isSet then
            packed[index] = '\\0'..size2(id)..id..places..size4(payload)..payload
          else
            local name, registration = asked[start + 3], asked[start + 7]
            call('HSET', R, id, pack('>ddI4c0I2c0', revisions[place], now, #name, name, #id, id)..registration)
            call('HSET', N, name, id)
            packed[index] = '\\1'..size2(id)..id..places..size4(registration)..registration..size4(payload)..payload
          end
        end
      end
      setAll(V, written)
      for place = 1, count do
        if isRenewing[place] and results[place] ~= 'other' then
          call('ZADD', X, 'XX', format('%d', now + ttls[ids[place]]), ids[place])
        end
      end
      local begins = isNew and metadata or ''
      if isNew then
        call('HSET', S, 'metadata', metadata, 'created', nowText, 'life', format('%d', life), 'forgotten', format('%d', revision))
        call('SADD', P..'sessions', session)
      end
      -- What has a higher revision than the first of the generations behind its own began with is lost.
      if about[3] ~= generation then
        local lineage = (about[4] or '')..generation..':'..format('%d', before)..' '
        call('HSET', S, 'generation', generation, 'lineage', sub(lineage, -${LINEAGE_CHARACTERS}))
      end
      if ends then
        -- Whoever follows tells of each that goes.
        ended = math.max(ended, next + call('HLEN', N))
        call('HSET', P..'head', 'ended', format('%d', ended))
        call('UNLINK', S, G, N, R, V, X)
        call('SREM', P..'sessions', session)
        state = 'ended'
      else
        call('HSET', S, 'revision', format('%d', next), 'used', nowText)
      end
      if #changed > 0 or isNew or ends then
        append('s', session, 'h', pack('>Bddddd', (isNew and 1 or 0) + (ends and 2 or 0), before, next, now, life, tonumber(generation)), 'm', begins, 'c', concat(packed))
      end
      revision = next
      if isWindowed then
        local size = #said
        for place = 1, count do
          local result = results[place]
          said[size + 1], said[size + 2] = sequences[place], type(result) == 'number' and format('%d', result) or result
          size = size + 2
        end
        local first, last = tonumber(sequences[1]), tonumber(sequences[count])
        local to = math.max(answered, last - 10000)
        -- Of a window that begins in the middle nothing before is known.
        if not isKnown and to < first then from = first - 1 end
        if to > from then
          local forgotten = {}
          for sequence = from + 1, math.min(to, from + 4000) do forgotten[#forgotten + 1] = format('%d', sequence) end
          call('HDEL', W, unpack(forgotten))
          from = from + #forgotten
        end
        said[size + 1], said[size + 2] = 'from', format('%0${WINDOW_FROM.length}d', from)
        said[size + 3], said[size + 4] = 'last', format('%d', math.max(last, lastKept or 0))
        said[size + 5], said[size + 6] = 'generation', generation
        setAll(W, said)
        if hole then call('HSETNX', W, 'hole', format('%d', hole)) end
        call('PEXPIRE', W, WINDOW_MS)
      end
    end
  end
  replies[#replies + 1] = { state, revision or 0, hits, results }
end
call('HSET', P..'head', 'position', format('%d', position))
return replies
`);
