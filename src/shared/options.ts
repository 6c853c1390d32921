/**
 * Every option of a state, a pool and a watch: unit, default, range. Parsed once at the boundary to a complete object that travels inward whole.
 * The server's are in server/server-options.ts: an embedding client loads none of them.
 */
import { availableParallelism } from 'node:os';
import * as v from 'valibot';
import type { Condition } from './delivery/condition.js';
import { checkCondition } from './delivery/condition.js';
import { PRIORITIES } from './delivery/priority.js';
import { InvalidNameError, InvalidOptionsError, InvalidValueError } from './errors.js';
import type { Logger } from './logger.js';
import { silentLogger } from './logger.js';
import { isEmptyOptions, parseOptions } from './option-reader.js';
import type { Transport } from './port/commands.js';
import { isSignal, type Signal } from './signal.js';
import { checkTlsTexts } from './tls-texts.js';
import { describeValue } from './values/describe-value.js';
import { checkName } from './values/identifier.js';
import { copyCondition } from './values/input-copy.js';
import { isWellFormed } from './values/utf8.js';
import type { VariableValue } from './values/variable-type.js';

const whole = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const ms = (least: number) => whole(least, 2 ** 31 - 1);

const TRANSPORTS = ['auto', 'link', 'stream'] as const satisfies readonly Transport[];

/** A function asked on the main thread, or a condition as data asked at no main-thread cost: by the server of a link, else in the worker. */
export type WatchFilter = ((oldValue: VariableValue | undefined, newValue: VariableValue) => boolean) | Condition;

const ReconnectSchema = v.strictObject({
  baseMs: v.optional(
    v.pipe(ms(1), v.description('Ceiling of the second retry, ms; the first comes at once, within spreadMs.')),
    100,
  ),
  factor: v.optional(
    v.pipe(v.number(), v.minValue(1), v.maxValue(10), v.description('Growth of that ceiling per failure.')),
    2,
  ),
  capMs: v.optional(v.pipe(ms(1), v.description('Highest ceiling, ms.')), 5_000),
  jitter: v.optional(
    v.pipe(
      v.number(),
      v.minValue(0),
      v.maxValue(1),
      v.description('1 = anywhere below the ceiling, 0.1 = within 10 % of it.'),
    ),
    1,
  ),
  spreadMs: v.optional(v.pipe(ms(0), v.description('The first retry comes within this, ms.')), 100),
  resetAfterMs: v.optional(v.pipe(ms(0), v.description('Time live after which failures are forgotten, ms.')), 10_000),
  maxAttempts: v.optional(
    v.pipe(whole(0, 1_000_000), v.description('Failures in a row that end a watch in `failed`; 0 = never.')),
    0,
  ),
});

const BreakerSchema = v.strictObject({
  failures: v.optional(
    v.pipe(whole(1, 1_000), v.description('Failed connection attempts in a row that open the circuit.')),
    5,
  ),
  openMs: v.optional(
    v.pipe(ms(1), v.description('Time between single probes while it is open, ms; up to a quarter less by jitter.')),
    1_000,
  ),
});

const KeepaliveSchema = v.strictObject({
  timeMs: v.optional(
    v.pipe(
      ms(1_000),
      v.description(
        'Silence of a connection before it is probed by a call, ms; less where the session would end sooner. Left out: 10,000, and 400 where there are several endpoints.',
      ),
    ),
  ),
  timeoutMs: v.optional(
    v.pipe(
      ms(100),
      v.description(
        'Time for an answer before a connection is doubted, and for the probe then, ms; then it is given up. Left out: 3,000, and 1,000 where there are several endpoints; there what is under way is made at another, so that twice this time is best well below limits.callTimeoutMs.',
      ),
    ),
  ),
});

const LimitsSchema = v.strictObject({
  streamsPerChannel: v.optional(
    v.pipe(whole(1, 100_000), v.description('Streams of one connection; one more opens another connection.')),
    1_000,
  ),
  maxMessageBytes: v.optional(
    v.pipe(whole(1_024, 2 ** 31 - 1), v.description('Largest message sent or taken, bytes.')),
    4 * 1024 * 1024,
  ),
  connectTimeoutMs: v.optional(
    v.pipe(ms(10), v.description('Time for one connection attempt, ms; then its channel is replaced.')),
    5_000,
  ),
  callTimeoutMs: v.optional(v.pipe(ms(10), v.description('Time for a call such as get or set, ms.')), 10_000),
  openTimeoutMs: v.optional(
    v.pipe(ms(10), v.description('Time for a server that is connected to register a watch, ms.')),
    15_000,
  ),
  queuedSets: v.optional(
    v.pipe(
      whole(1, 1_000_000),
      v.description('Calls that may wait for an earlier one of the same variable; one more is refused.'),
    ),
    10_000,
  ),
});

// What a text of these is given instead of is never shown: it may be a key.
const PemText = v.string('give a PEM text');

const TlsSchema = v.strictObject({
  ca: v.optional(v.pipe(PemText, v.description("PEM of the authorities trusted; the system's when left out."))),
  cert: v.optional(v.pipe(PemText, v.description('PEM of our own certificate.'))),
  key: v.optional(v.pipe(PemText, v.description('PEM of its key.'))),
});

const LoggerSchema = v.custom<Logger>(
  (input) =>
    typeof input === 'object' &&
    input !== null &&
    (['debug', 'info', 'warn', 'error'] as const).every((level) => typeof (input as Logger)[level] === 'function'),
  'give an object with debug, info, warn and error, such as a pino logger',
);

const Endpoint = v.pipe(
  v.string(),
  v.check(
    isEndpoint,
    (issue) =>
      `${describeValue(withoutPassword(issue.input))} is no endpoint: write HOST:PORT, such as 127.0.0.1:50051`,
  ),
  // Whoever resolves names knows this one without the point only.
  v.transform((text) => text.replace(/^localhost\.:/i, 'localhost:')),
);

const WorkerUrl = v.custom<string | URL>(
  (input) => typeof input === 'string' || typeof (input as URL | null | undefined)?.href === 'string',
  'give a URL or an absolute path',
);

const Source = v.pipe(
  v.string(),
  v.maxLength(256),
  v.check(isWellFormed, 'give text without half of a surrogate pair'),
);

const MaxMainMs = v.pipe(v.number(), v.minValue(0), v.maxValue(1_000));
const MAX_MAIN_MS_IS =
  'Time that watchers of this state may take in one turn of the event loop, ms; what is over waits for the next turn, and conflates. 0 = no limit.';

/** Retries from 1 s to 30 s with 10 % jitter: for servers that many clients share. */
const GENTLE = { baseMs: 1_000, capMs: 30_000, jitter: 0.1 } as const;

/** What `BridgedState.open` takes as data; `pool` and `existingState` are objects and checked beside it. */
export const StateOptionsSchema = v.strictObject({
  endpoint: v.optional(v.pipe(Endpoint, v.description('The server, HOST:PORT. Or `endpoints`.'))),
  endpoints: v.optional(
    v.pipe(v.array(Endpoint), v.minLength(1, 'name at least one endpoint'), v.description('Servers tried in turn.')),
  ),
  sessionId: v.optional(
    v.pipe(
      v.string(),
      v.minLength(1, 'a session id has at least one character'),
      v.maxLength(256),
      v.check(isName, 'a session id has no control characters, and no half of a surrogate pair'),
      v.description('The session; made when it is not there.'),
    ),
    'default',
  ),
  workers: v.optional(
    v.pipe(
      whole(0, 64),
      v.description(
        'Worker threads; 0 runs the same code on the main thread. Default BRIDGED_STATE_WORKERS, else cores - 1, at least 1.',
      ),
    ),
  ),
  workerUrl: v.optional(
    v.pipe(WorkerUrl, v.description("File of the workers' code in a bundle, where it is not beside it (bundling.md).")),
  ),
  tls: v.optional(
    v.pipe(
      v.union([v.boolean(), TlsSchema], 'give true, or { ca?, cert?, key? } with PEM texts'),
      v.description("Encrypts; true trusts the system's authorities."),
    ),
    false,
  ),
  token: v.optional(
    v.pipe(
      v.string('give a string'),
      // Of HTTP headers, as gRPC has them. It is a secret: the sentence does not show it.
      v.regex(
        /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/,
        'give visible ASCII characters, without a newline at the end',
      ),
      v.description('Sent as `authorization: Bearer …`.'),
    ),
  ),
  transport: v.optional(
    v.pipe(
      v.picklist(TRANSPORTS),
      v.description(
        'How watches travel: link is one stream a worker, stream is one a watch, auto takes the link where the server has it. Default BRIDGED_STATE_TRANSPORT, else auto.',
      ),
    ),
  ),
  reconnect: v.optional(
    v.pipe(
      v.union(
        [v.literal('gentle'), ReconnectSchema],
        "give 'gentle' or { baseMs, factor, capMs, jitter, spreadMs, resetAfterMs, maxAttempts }",
      ),
      v.description('When to try again.'),
    ),
    {},
  ),
  breaker: v.optional(v.pipe(BreakerSchema, v.description('When to stop trying for a while.')), {}),
  keepalive: v.optional(v.pipe(KeepaliveSchema, v.description('How dead connections are found.')), {}),
  limits: v.optional(v.pipe(LimitsSchema, v.description('What may be held or waited for.')), {}),
  source: v.optional(v.pipe(Source, v.description('Who sets, unless a set says its own source.')), 'typescript'),
  verify: v.optional(
    v.pipe(v.boolean(), v.description('Checks the books of every watch at each update; a difference goes to onError.')),
    false,
  ),
  maxMainMs: v.optional(v.pipe(MaxMainMs, v.description(MAX_MAIN_MS_IS)), 0),
  logger: v.optional(v.pipe(LoggerSchema, v.description('Where the library says what it did.')), () => silentLogger),
});

export type StateOptionsInput = v.InferInput<typeof StateOptionsSchema>;
export type StateOptions = ReturnType<typeof parseStateOptions>;

/** @throws InvalidOptionsError naming the option, what was given and what it takes */
export function parseStateOptions(input: unknown) {
  const options = parseOptions(StateOptionsSchema, input, 'BridgedState.open');
  const endpoints = options.endpoints ?? (options.endpoint === undefined ? [] : [options.endpoint]);
  if (endpoints.length === 0 || (options.endpoints !== undefined && options.endpoint !== undefined)) {
    throw new InvalidOptionsError('BridgedState.open: name the server by endpoint or by endpoints, one of the two');
  }
  if (typeof options.tls === 'object') checkTlsTexts(options.tls, 'BridgedState.open');
  const reconnect = options.reconnect === 'gentle' ? v.parse(ReconnectSchema, GENTLE) : options.reconnect;
  const transport = options.transport ?? defaultTransport();
  return Object.freeze({ ...options, endpoints, reconnect, transport });
}

/** What `new LocalState` takes; described in its interface. */
const LocalOptionsSchema = v.strictObject({
  sessionId: v.optional(v.string(), 'local'),
  source: v.optional(Source, 'typescript'),
  maxMainMs: v.optional(MaxMainMs, 0),
  logger: v.optional(LoggerSchema, () => silentLogger),
});

/** @throws InvalidOptionsError */
export function parseLocalOptions(input: unknown): v.InferOutput<typeof LocalOptionsSchema> {
  return parseOptions(LocalOptionsSchema, input, 'LocalState');
}

export const PoolOptionsSchema = v.strictObject({
  workers: v.optional(v.pipe(whole(0, 64), v.description('Worker threads; 0 runs the same code on the main thread.'))),
  workerUrl: v.optional(
    v.pipe(WorkerUrl, v.description("File of the workers' code in a bundle, where it is not beside it (bundling.md).")),
  ),
  credits: v.optional(
    v.pipe(
      whole(64, 1_048_576),
      v.description(
        'Updates that may be on their way from one worker to the main thread; 88 bytes of shared memory each.',
      ),
    ),
    16_384,
  ),
  spacingMs: v.optional(
    v.pipe(
      v.number(),
      v.minValue(0),
      v.maxValue(100),
      v.description(
        'How often the main thread looks for updates while they come, ms; the first after a pause wakes it at once. 0 = each turn of a worker wakes it.',
      ),
    ),
    0,
  ),
  youngGenerationMb: v.optional(
    v.pipe(whole(1, 1_024), v.description("Size of a worker's young heap, MB: larger means rarer pauses.")),
    16,
  ),
  startTimeoutMs: v.optional(v.pipe(ms(100), v.description('Time for a worker thread to start, ms.')), 15_000),
  logger: v.optional(LoggerSchema, () => silentLogger),
});

export type PoolOptionsInput = v.InferInput<typeof PoolOptionsSchema>;
export type PoolOptions = ReturnType<typeof parsePoolOptions>;

/** @throws InvalidOptionsError */
export function parsePoolOptions(input: unknown) {
  const options = parseOptions(PoolOptionsSchema, input, 'WorkerPool');
  return Object.freeze({ ...options, workers: options.workers ?? defaultWorkers() });
}

const anyFunction = <T>(what: string) => v.custom<T>((input) => typeof input === 'function', `give ${what}`);

const Filter = v.union(
  [
    anyFunction<(oldValue: VariableValue | undefined, newValue: VariableValue) => boolean>('a function'),
    v.pipe(
      v.custom<Condition>((input) => typeof input === 'object' && input !== null),
      v.transform(readCondition),
    ),
  ],
  'give a function (old, new) => boolean or a condition such as { changedBy: 1 }',
);

export const WatchOptionsSchema = v.strictObject({
  includeInitial: v.optional(
    v.pipe(v.boolean(), v.description('Calls the watcher with the present values first.')),
    false,
  ),
  filter: v.optional(
    v.pipe(
      Filter,
      v.description(
        'Lets an update through or not: a function on the main thread, or a condition as data: over a link at the server, else in the worker.',
      ),
    ),
  ),
  missing: v.optional(
    v.pipe(
      v.picklist(['fail', 'wait']),
      v.description("What to do with variables that do not exist: 'wait' watches them from their registration on."),
    ),
    'fail',
  ),
  debounceMs: v.optional(
    v.pipe(
      ms(0),
      v.description('Calls the watcher when a variable has been quiet this long, with its newest value, ms; 0 = off.'),
    ),
    0,
  ),
  maxWaitMs: v.optional(
    v.pipe(ms(0), v.description('Longest that debouncing holds an update back, ms; 0 = no limit.')),
    0,
  ),
  throttleMs: v.optional(
    v.pipe(ms(0), v.description('At most one call per variable and this time, the newest value last, ms; 0 = off.')),
    0,
  ),
  batch: v.optional(
    v.pipe(
      v.boolean(),
      v.description(
        'Calls the watcher once a turn, with an array of all changes that came together; an iterator yields arrays.',
      ),
    ),
    false,
  ),
  conflate: v.optional(
    v.pipe(
      v.boolean(),
      v.description('At most one call per variable and turn of the event loop, with the newest value.'),
    ),
    false,
  ),
  signal: v.optional(
    v.pipe(
      v.custom<Signal>(isSignal, 'give an AbortSignal'),
      v.description('Ends the watch when it aborts; one of another realm or a polyfill will do.'),
    ),
  ),
  owner: v.optional(
    v.pipe(
      v.custom<object>(
        (input) => (typeof input === 'object' && input !== null) || typeof input === 'function',
        'give a Worker, a MessagePort or another object',
      ),
      v.description('Ends the watch when it exits, closes or is garbage-collected.'),
    ),
  ),
  bufferLimit: v.optional(
    v.pipe(
      whole(1, 1_048_576),
      v.description('Updates kept per watch while the main thread is busy; one per variable where that is more.'),
    ),
    1_024,
  ),
  overflow: v.optional(
    v.pipe(
      v.picklist(['conflate', 'drop-oldest', 'error']),
      v.description(
        'What happens when they are full: keep the newest of each variable, drop the oldest but what says that a variable is there or gone, or fail the watch.',
      ),
    ),
    'conflate',
  ),
  atomic: v.optional(
    v.pipe(
      v.boolean(),
      v.description('Keeps all variables on one worker, so that a batch set atomically arrives in one turn.'),
    ),
    false,
  ),
  priority: v.optional(
    v.pipe(
      v.picklist(PRIORITIES),
      v.description(
        'Who is told first in a turn, and whose updates cross first to a main thread that is behind; background waits, though not for ever.',
      ),
    ),
    'normal',
  ),
  staleAfterMs: v.optional(
    v.pipe(
      ms(0),
      v.check((value) => value === 0 || value >= 300, 'give 0 (never) or at least 300'),
      v.description('Silence of the server after which the watch is stale, ms; 0 = never.'),
    ),
    0,
  ),
  onError: v.optional(
    v.pipe(
      anyFunction<(error: Error) => void>('a function'),
      v.description('Told what watcher and filter throw, and why a watch fails.'),
    ),
  ),
  onState: v.optional(
    v.pipe(anyFunction<(state: string) => void>('a function'), v.description('Told each state of the watch.')),
  ),
  onSynced: v.optional(
    v.pipe(
      anyFunction<() => void>('a function'),
      v.description('Told when the watch has caught up, at first and after each break.'),
    ),
  ),
  verify: v.optional(v.pipe(v.boolean(), v.description('Checks the books of this watch at each update.')), false),
});

/** Of a watch whose watcher is called for each change. */
export type WatchOptionsInput = Omit<v.InferInput<typeof WatchOptionsSchema>, 'batch'> & {
  readonly batch?: false | undefined;
};
/** Of a watch whose watcher is called once a turn, with an array. */
export type BatchWatchOptionsInput = Omit<WatchOptionsInput, 'batch'> & { readonly batch: true };
export type AnyWatchOptionsInput = WatchOptionsInput | BatchWatchOptionsInput;
export type WatchOptions = v.InferOutput<typeof WatchOptionsSchema>;

/** @throws InvalidOptionsError */
export function parseWatchOptions(input: unknown): WatchOptions {
  // Thousands of watches without options share one object.
  if (isEmptyOptions(input, 'watch')) {
    defaultWatchOptions ??= Object.freeze(parseOptions(WatchOptionsSchema, {}, 'watch'));
    return defaultWatchOptions;
  }
  const options = parseOptions(WatchOptionsSchema, input ?? {}, 'watch');
  if (options.maxWaitMs > 0 && options.maxWaitMs < options.debounceMs) {
    throw new InvalidOptionsError(
      `watch: maxWaitMs ${options.maxWaitMs} is shorter than debounceMs ${options.debounceMs}: raise it, or leave it out`,
    );
  }
  return options;
}

let defaultWatchOptions: WatchOptions | undefined;

/** Threads when nobody says: BRIDGED_STATE_WORKERS, else one less than the cores, at least one. @throws InvalidOptionsError */
export function defaultWorkers(): number {
  const text = process.env.BRIDGED_STATE_WORKERS;
  if (text === undefined || text === '') return Math.max(1, availableParallelism() - 1);
  const workers = Number(text);
  if (!Number.isInteger(workers) || workers < 0 || workers > 64) {
    throw new InvalidOptionsError(`BRIDGED_STATE_WORKERS is "${text}": give a whole number from 0 to 64`);
  }
  return workers;
}

/** How watches travel when nobody says: BRIDGED_STATE_TRANSPORT, else auto. @throws InvalidOptionsError */
export function defaultTransport(): Transport {
  const text = process.env.BRIDGED_STATE_TRANSPORT;
  if (text === undefined || text === '') return 'auto';
  const transport = TRANSPORTS.find((one) => one === text);
  if (transport !== undefined) return transport;
  throw new InvalidOptionsError(`BRIDGED_STATE_TRANSPORT is "${text}": give ${TRANSPORTS.join(', ')}`);
}

/** The caller may change its object later, and a condition crosses to a worker: what cannot is refused here. @throws InvalidOptionsError */
export function readCondition(input: Condition, subject = 'filter'): Condition {
  try {
    return checkCondition(copyCondition(input, subject), subject);
  } catch (cause) {
    if (!(cause instanceof InvalidValueError)) throw cause;
    throw new InvalidOptionsError(`a condition is data: ${cause.message}`, { cause });
  }
}

/** HOST:PORT, [IPV6]:PORT with or without a zone, or unix:PATH. A name may end with a point: then it is complete. */
function isEndpoint(text: string): boolean {
  if (/^unix:[^\0]+$/.test(text)) return true;
  const match = /^(?:\[[0-9a-fA-F:.]+(?:%[\w.~-]+)?\]|[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?):(\d{1,5})$/.exec(
    text,
  );
  return match !== null && Number(match[1]) >= 1 && Number(match[1]) <= 65_535;
}

function withoutPassword(text: unknown): unknown {
  return typeof text === 'string' ? text.replace(/[^/]*@/, '…@') : text;
}

/** What the server asks of a session's id. */
function isName(text: string): boolean {
  try {
    checkName(text);
    return true;
  } catch (error) {
    if (error instanceof InvalidNameError) return false;
    throw error;
  }
}
