/** Every option of the bridge server: unit, default, range. Parsed once to a frozen complete object that travels inward whole. */
import * as v from 'valibot';
import type { Logger } from '../shared/logger.js';
import { silentLogger } from '../shared/logger.js';
import { parseOptions } from '../shared/option-reader.js';
import { DEFAULT_HISTORY_LIMITS, MIN_KEPT_VERSIONS } from '../shared/state/history.js';
import type { TokenOption } from './access.js';
import type { Engine } from './engine/engine.js';
import { MemoryEngine } from './engine/memory-engine.js';

export interface BridgeServerOptions {
  /** Address to listen on; `0.0.0.0` or `::` for all. Default 127.0.0.1: only this machine. */
  readonly host?: string | undefined;
  /** Port to listen on, 0 to 65,535. Default 50051; 0 picks a free one. */
  readonly port?: number | undefined;
  /** HTTP port for /metrics, /healthz, /readyz and /sessions on the same host, 0 to 65,535; 0 picks a free one. Default: none. Carries no credentials: keep it inside. */
  readonly adminPort?: number | undefined;
  /** What decides, keeps and tells the state; one a server, which opens and closes it. Default: a new MemoryEngine. */
  readonly engine?: Engine | undefined;
  /** Until this is aborted the start waits for an engine that is away or full, with its admin port open and `/readyz` saying why: `AbortSignal.timeout(60_000)`. What does not pass by itself, such as a wrong password, ends it at once. Default: it does not wait. */
  readonly waitForEngine?: AbortSignal | undefined;
  /** Names this life of the state: 1 to 64 of A-Z a-z 0-9 _ -. Default: random. An engine that outlives its server has one of its own, and takes this one only for a state that begins. */
  readonly epoch?: string | undefined;
  /** Silence on a watch before a heartbeat, ms, 100 to 2^31 - 1. Default 30,000. A watch may ask for its own. */
  readonly heartbeatMs?: number | undefined;
  /** A session that nobody calls or watches ends after this, ms. Default 3,600,000 (1 h); 0 = never. */
  readonly sessionTtlMs?: number | undefined;
  /** Sessions, 1 to 10,000,000. Default 100,000. One more is refused with RESOURCE_EXHAUSTED. About 1 KB each when empty. */
  readonly maxSessions?: number | undefined;
  /** Variables of one session, 1 to 10,000,000. Default 1,000,000. One more is refused with RESOURCE_EXHAUSTED. About 700 bytes each. */
  readonly maxVariablesPerSession?: number | undefined;
  /** Variables of one atomic batch, 1 to 10,000,000. Default 40,000. A larger one is refused with RESOURCE_EXHAUSTED. It is made in one turn, for which everybody waits: about 3 us each. */
  readonly maxAtomicVariables?: number | undefined;
  /** Bytes of one session but its history, by estimate: values, names, metadata, constraints, 1,024 to 2^40. Default 268,435,456 (256 MB). What would be more is refused with RESOURCE_EXHAUSTED. */
  readonly maxSessionBytes?: number | undefined;
  /** Bytes of a session's own metadata, by estimate: twice its characters and 32 an entry, 0 to 2^31 - 1. Default 65,536. A session with more is refused with INVALID_ARGUMENT. */
  readonly maxSessionMetadataBytes?: number | undefined;
  /** Bytes that all sessions hold together, histories too, by estimate, 1,024 to 2^50. Default 1,073,741,824 (1 GB). First histories shrink to the present versions; then what would be more is refused with RESOURCE_EXHAUSTED. */
  readonly maxTotalBytes?: number | undefined;
  /** Watch streams at once, 1 to 1,000,000. Default 100,000. One more is refused with RESOURCE_EXHAUSTED. About 15 KB each when idle. */
  readonly maxStreams?: number | undefined;
  /** Bytes of changes that wait for one stream, by estimate, 65,536 to 2^40. Default 4,194,304. From then the newest of each variable stays; a watch of atomic batches that holds as much of what is outdated is cut with RESOURCE_EXHAUSTED. */
  readonly maxStreamBytes?: number | undefined;
  /** Bytes that the watches of one connection hold, by estimate: names, observers, changes that wait; and as many given to the connection and not taken, 65,536 to 2^40. Default 67,108,864 (64 MB). A watch that would hold more is refused with RESOURCE_EXHAUSTED; changes that would are conflated, or wait. */
  readonly maxConnectionBytes?: number | undefined;
  /** Different patterns that the watches of one session wait with, 1 to 100,000. Default 1,000. One more is refused with RESOURCE_EXHAUSTED. Each new variable is compared with each, which takes 1 to 30 us. */
  readonly maxSessionPatterns?: number | undefined;
  /** Largest request, bytes, 1,024 to 2^31 - 1. Default 4,194,304. A larger one is refused with RESOURCE_EXHAUSTED. */
  readonly maxMessageBytes?: number | undefined;
  /** A request that is not whole after this long is ended with DEADLINE_EXCEEDED, ms, 100 to 2^31 - 1. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Bytes of requests of one connection that are not whole or not answered yet, 1,024 to 2^40. Default 67,108,864 (64 MB). One that would be more is refused with RESOURCE_EXHAUSTED. */
  readonly maxConnectionRequestBytes?: number | undefined;
  /** The same of all connections together, 1,024 to 2^40. Default 268,435,456 (256 MB). */
  readonly maxRequestBytes?: number | undefined;
  /** Largest answer of ListVariables, GetVariables or GetVariableHistory to a caller that says no max_bytes, bytes, 1,024 to 2^31 - 1. Default 67,108,864 (64 MB). A larger one is refused with RESOURCE_EXHAUSTED: ask in pages. */
  readonly maxAnswerBytes?: number | undefined;
  /** Updates kept for one stream that does not take them, 1 to 1,048,576, or one a variable where that is more; then the newest of each variable stays. Default 1,024. */
  readonly outboxLimit?: number | undefined;
  /** A stream that takes nothing for this long while something waits is cut with RESOURCE_EXHAUSTED, ms, 100 to 2^31 - 1. Default 10,000. */
  readonly slowStreamMs?: number | undefined;
  /** Time that `close` and `drain` leave to what is under way, ms, 0 to 2^31 - 1. Default 5,000. */
  readonly drainMs?: number | undefined;
  /** How long earlier versions are kept for history, rollback and resume; the last 16 of each variable always are while they have 64 KB at most. */
  readonly history?:
    | {
        /** Age, ms. Default 60,000. */
        readonly maxAgeMs?: number | undefined;
        /** Versions of one variable, 16 to 1,000,000. Default 10,000. */
        readonly maxVersions?: number | undefined;
        /** Bytes of one session, by estimate. Default 67,108,864 (64 MB). */
        readonly maxSessionBytes?: number | undefined;
      }
    | undefined;
  /** Bearer tokens that open the server, 1 to 1,024 of them: each a text that opens every session, or `{ token, sessions }` for those whose ids match a pattern (`*`, `?`). Without one a call is UNAUTHENTICATED, with one of other sessions PERMISSION_DENIED. Default: open to everybody who reaches the port. */
  readonly tokens?: readonly TokenOption[] | undefined;
  /** PEM texts. With `ca`, clients need a certificate that it signed. Default: no encryption. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string | undefined } | undefined;
  /** Where the server says what it did. Default: nowhere. */
  readonly logger?: Logger | undefined;
}

const whole = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const ms = (least: number) => whole(least, 2 ** 31 - 1);
const port = whole(0, 65_535);

const HistorySchema = v.strictObject({
  maxAgeMs: v.optional(ms(0), DEFAULT_HISTORY_LIMITS.maxAgeMs),
  maxVersions: v.optional(whole(MIN_KEPT_VERSIONS, 1_000_000), DEFAULT_HISTORY_LIMITS.maxVersions),
  maxSessionBytes: v.optional(whole(0, 2 ** 40), DEFAULT_HISTORY_LIMITS.maxSessionBytes),
});

const EngineSchema = v.custom<Engine>(
  (input) => typeof (input as Engine | null)?.commit === 'function',
  'give an engine, such as new MemoryEngine()',
);

const SignalSchema = v.instance(AbortSignal, 'give an AbortSignal, such as AbortSignal.timeout(60_000)');

const LoggerSchema = v.custom<Logger>(
  (input) =>
    (['debug', 'info', 'warn', 'error'] as const).every(
      (level) => typeof (input as Logger | null)?.[level] === 'function',
    ),
  'give an object with debug, info, warn and error, such as a pino logger',
);

const TOKEN_FORM = 'give a token of 1 to 1,024 visible ASCII characters, or { token, sessions }';
const TokenSchema = v.pipe(v.string(TOKEN_FORM), v.regex(/^[\x21-\x7e]{1,1024}$/, TOKEN_FORM));
const SessionsSchema = v.pipe(
  v.array(v.pipe(v.string(), v.minLength(1, 'give patterns of session ids'), v.maxLength(512))),
  v.minLength(1, 'name at least one session, or give the token alone for all'),
);

const ServerOptionsSchema = v.strictObject({
  host: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9:._-]+$/, 'give a host name or address')), '127.0.0.1'),
  port: v.optional(port, 50_051),
  adminPort: v.optional(port),
  engine: v.optional(EngineSchema, () => new MemoryEngine()),
  waitForEngine: v.optional(SignalSchema),
  epoch: v.optional(v.pipe(v.string(), v.regex(/^[\w-]{1,64}$/, 'give 1 to 64 of A-Z a-z 0-9 _ -'))),
  heartbeatMs: v.optional(ms(100), 30_000),
  sessionTtlMs: v.optional(whole(0, Number.MAX_SAFE_INTEGER), 3_600_000),
  maxSessions: v.optional(whole(1, 10_000_000), 100_000),
  maxVariablesPerSession: v.optional(whole(1, 10_000_000), 1_000_000),
  maxAtomicVariables: v.optional(whole(1, 10_000_000), 40_000),
  maxSessionBytes: v.optional(whole(1_024, 2 ** 40), 256 * 1024 * 1024),
  maxSessionMetadataBytes: v.optional(whole(0, 2 ** 31 - 1), 64 * 1024),
  maxTotalBytes: v.optional(whole(1_024, 2 ** 50), 1024 * 1024 * 1024),
  maxStreams: v.optional(whole(1, 1_000_000), 100_000),
  maxStreamBytes: v.optional(whole(65_536, 2 ** 40), 4 * 1024 * 1024),
  maxConnectionBytes: v.optional(whole(65_536, 2 ** 40), 64 * 1024 * 1024),
  maxSessionPatterns: v.optional(whole(1, 100_000), 1_000),
  maxMessageBytes: v.optional(whole(1_024, 2 ** 31 - 1), 4 * 1024 * 1024),
  maxAnswerBytes: v.optional(whole(1_024, 2 ** 31 - 1), 64 * 1024 * 1024),
  requestTimeoutMs: v.optional(ms(100), 30_000),
  maxConnectionRequestBytes: v.optional(whole(1_024, 2 ** 40), 64 * 1024 * 1024),
  maxRequestBytes: v.optional(whole(1_024, 2 ** 40), 256 * 1024 * 1024),
  outboxLimit: v.optional(whole(1, 1_048_576), 1_024),
  slowStreamMs: v.optional(ms(100), 10_000),
  drainMs: v.optional(ms(0), 5_000),
  history: v.optional(HistorySchema, {}),
  tokens: v.optional(
    v.pipe(
      v.array(
        v.union([TokenSchema, v.strictObject({ token: TokenSchema, sessions: SessionsSchema })], TOKEN_FORM),
        // With sentences of our own: valibot's would show the secret.
        'give a list of tokens',
      ),
      v.minLength(1, 'name at least one token, or leave it out for an open server'),
      v.maxLength(1_024, 'name at most 1,024 tokens'),
    ),
  ),
  tls: v.optional(
    v.strictObject(
      {
        cert: v.string('give a PEM text'),
        key: v.string('give a PEM text'),
        ca: v.optional(v.string('give a PEM text')),
      },
      'give { cert, key, ca? }',
    ),
  ),
  logger: v.optional(LoggerSchema, () => silentLogger),
});

export type ParsedServerOptions = Readonly<ReturnType<typeof parseServerOptions>>;

/** With the epoch that the engine has said. */
export type ServerOptions = Omit<ParsedServerOptions, 'epoch'> & { readonly epoch: string };

/** @throws InvalidOptionsError naming the option, what was given and what it takes */
export function parseServerOptions(input: BridgeServerOptions | undefined) {
  return Object.freeze(parseOptions(ServerOptionsSchema, input, 'startBridgeServer'));
}
