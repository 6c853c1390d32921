/**
 * What Redis runs beside commits: who is the primary, which servers live, what is there of a session, whether somebody uses it, what a link's sets have done.
 * Path: redis engine -> [scripts] -> keys of the bucket. And what the commit and mend scripts are made of too.
 */
import { createHash } from 'node:crypto';

export interface ScriptText {
  readonly text: string;
  /** By which Redis knows it. */
  readonly hash: string;
}

export interface Script extends ScriptText {
  /** For a Redis before 7, which cannot read flags in a first line. */
  readonly before7: ScriptText;
}

/**
 * A version as it is kept: version, revision, ms since 1970 and ttl as doubles, then the equality key and the payload. Servers of several ages
 * read it: fields may be added behind, none changed.
 */
export const RECORD = '>ddddI4';

/** For scripts in which `call` is `redis.call`: a record, or what somebody put in its place. */
export const RECORDS_LUA = `
local function versionIn(record)
  if not record or #record < 36 then return nil end
  local version, _, _, _, size = struct.unpack('${RECORD}', record)
  if version >= 1 and version <= 9007199254740991 and #record >= 36 + size then return version end
end
-- Where the present one is lost: the newest of those beside it is the same.
local function restored(V, id)
  local slots = {}
  for slot = 0, 15 do slots[slot + 1] = id..':'..slot end
  local kept = call('HMGET', V, unpack(slots))
  local present, newest
  for slot = 0, 15 do
    local version = versionIn(kept[slot + 1])
    if version and version % 16 == slot and (not newest or version > newest) then present, newest = kept[slot + 1], version end
  end
  if present then call('HSET', V, id, present) end
  return present or nil, newest
end
-- Empty where it is not what a server wrote for that id.
local function nameIn(registration, id)
  if not registration or #registration < 22 + #id then return '' end
  local _, _, size, from = struct.unpack('>ddI4', registration)
  local idFrom = from + size + 2
  return string.sub(registration, idFrom, idFrom + #id - 1) == id and string.sub(registration, from, from + size - 1) or ''
end
`;

/**
 * The `from` of a window in which nothing is forgotten: so long that Redis keeps the window as a hash table. As a list, which it makes of small
 * hashes of short values, a lookup walks over all of it: 5 us at 300 outcomes where this takes 0.2.
 */
export const WINDOW_FROM = '0'.repeat(70);

/** Of what writes a few bytes, without which a full Redis could not be read or would lose who uses it. */
export const WITHOUT_ROOM = '#!lua flags=allow-oom';

/**
 * Says which process is the primary now. ARGV: prefix of the bucket, its run id, the last generation that the caller knows of (-1: none) and the
 * run id that this one belongs to. Returns the generation. One begins when another process took over: its data may lack what the one before had
 * acknowledged, the generation too; so none is given twice.
 */
export const TAKE_OVER: Script = script(`${WITHOUT_ROOM}
local P, RUN, KNOWN, KNOWN_RUN = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local head = redis.call('HMGET', P..'head', 'run', 'generation')
local generation = tonumber(head[2] or nil)
if generation and head[1] == RUN and (KNOWN < generation or KNOWN_RUN == RUN) then return generation end
generation = math.max(generation or -1, KNOWN) + 1
redis.call('HSET', P..'head', 'run', RUN, 'generation', generation)
return generation
`);

/** A server lives. ARGV: key of the list, its endpoint, ms that it says so for (0: it goes). Returns those that live, by Redis' clock. */
export const LEASE: Script = script(`${WITHOUT_ROOM}
local KEY, ENDPOINT, LEASE_MS = ARGV[1], ARGV[2], tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEY, '-inf', now)
if LEASE_MS > 0 then redis.call('ZADD', KEY, now + LEASE_MS, ENDPOINT) else redis.call('ZREM', KEY, ENDPOINT) end
return redis.call('ZRANGE', KEY, 0, 99)
`);

/** A session is used. ARGV: prefix of the bucket, session. By Redis' clock, as everything that all servers compare. */
export const TOUCH: Script = script(`${WITHOUT_ROOM}
local key = ARGV[1]..'s:'..ARGV[2]
local clock = redis.call('TIME')
if redis.call('EXISTS', key) == 1 then redis.call('HSET', key, 'used', clock[1] * 1000 + math.floor(clock[2] / 1000)) end
return 1
`);

/** Ms since it was used. ARGV: as above. */
export const IDLE: Script = script(`
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
-- Where it does not say, nobody ends it for that.
return now - (tonumber(redis.call('HGET', ARGV[1]..'s:'..ARGV[2], 'used') or nil) or now)
`);

/** A session as it is now: ARGV: prefix of the bucket, session. Returns its hash, the generation and Redis' clock, registrations, versions and what went; or nothing. */
export const READ_SESSION: Script = script(`
local P, session = ARGV[1], ARGV[2]
local s = redis.call('HMGET', P..'s:'..session, 'revision', 'metadata', 'created', 'life', 'forgotten', 'lineage')
if not s[1] then return false end
s[7] = redis.call('HGET', P..'head', 'generation')
local clock = redis.call('TIME')
s[8] = string.format('%d', clock[1] * 1000 + math.floor(clock[2] / 1000))
return { s, redis.call('HGETALL', P..'r:'..session), redis.call('HGETALL', P..'v:'..session), redis.call('LRANGE', P..'g:'..session, 0, -1) }
`);

/**
 * What became of a link's last sets. ARGV: key of the window, ms that it is kept, up to which of its sets their client asks for no outcome, and the generation before which all
 * is lost. Returns
 * its hash, empty when it was not there: it is from here on, without it nobody could tell a window that was forgotten from one in which nothing was
 * made. Of the sets that nobody asks for, what a server has still to make is `unknown` to its commit from here on, and not made.
 */
export const OPEN_WINDOW: Script = script(`${WITHOUT_ROOM}
local W, KEPT_MS, ANSWERED = ARGV[1], ARGV[2], tonumber(ARGV[3])
local said = redis.call('HGETALL', W)
local from = tonumber(redis.call('HGET', W, 'from') or '0')
if ANSWERED > from then
  local forgotten = {}
  for place = 1, #said, 2 do
    local sequence = tonumber(said[place])
    if sequence and sequence <= ANSWERED then forgotten[#forgotten + 1] = said[place] end
  end
  for place = 1, #forgotten, 4000 do redis.call('HDEL', W, unpack(forgotten, place, math.min(place + 3999, #forgotten))) end
end
-- It is told once.
redis.call('HDEL', W, 'hole')
local generation = tonumber(redis.call('HGET', W, 'generation') or nil)
if generation and generation < tonumber(ARGV[4]) then redis.call('HSET', W, 'generation', ARGV[4]) end
redis.call('HSET', W, 'from', string.format('%0${WINDOW_FROM.length}d', math.max(from, ANSWERED)))
redis.call('PEXPIRE', W, KEPT_MS)
return said
`);

export function script(text: string): Script {
  return { ...textOf(text), before7: textOf(text.replace(/^#!lua.*\n/, '')) };
}

function textOf(text: string): ScriptText {
  return { text, hash: createHash('sha1').update(text).digest('hex') };
}
