/**
 * The bridge server: listens, registers its services, drains. Owns everything that it opens: the gRPC server, the admin port, the deadlines.
 * Draining: takes no new call, ends every watch with UNAVAILABLE, lets calls under way finish. Closed: nothing of it keeps the process alive.
 */
import type {
  ServerOptions as GrpcServerOptions,
  MethodDefinition,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { Server } from '@grpc/grpc-js';
import { Deadlines } from '../shared/deadlines.js';
import { UnavailableError } from '../shared/errors.js';
import { performanceNowMs, setImmediate } from '../shared/platform-timers.js';
import { randomId, systemClock } from '../shared/system-clock.js';
import { LINK_PATH, METHODS, methodPath, SERVICE_NAMES } from '../shared/wire/services.js';
import { Access } from './access.js';
import type { AdminHttp } from './admin/admin-http.js';
import type { BridgeServerMetrics } from './bridge-server-metrics.js';
import { readMetrics } from './bridge-server-metrics.js';
import { ConnectionLines } from './connection-lines.js';
import type { EngineHealth, Life } from './engine/engine.js';
import { sayHealth } from './engine/engine.js';
import { admissionInterceptor } from './handlers/admission.js';
import { drainingError } from './handlers/call-failure.js';
import { HealthHandler } from './handlers/health-handler.js';
import { linkHandlers } from './handlers/link-handler.js';
import { readHandlers } from './handlers/read-handler.js';
import { addReflection } from './handlers/reflection-handler.js';
import { sessionHandlers } from './handlers/session-handler.js';
import { setHandlers } from './handlers/set-handler.js';
import { variableHandlers } from './handlers/variable-handler.js';
import { watchHandlers } from './handlers/watch-handler.js';
import { listenForCalls, tryToListen } from './listen-for-calls.js';
import { ObserverManager } from './observer-manager.js';
import { PatternThread } from './pattern-thread.js';
import { RequestBudget } from './request-budget.js';
import type { ServerContext } from './server-context.js';
import type { BridgeServerOptions, ParsedServerOptions, ServerOptions } from './server-options.js';
import { parseServerOptions } from './server-options.js';
import { SessionStore } from './session-store.js';
import { LinkWriters } from './watch/link-writers.js';
import { WatchStreams } from './watch/watch-streams.js';
import { within } from './within.js';
import { WorkTurns } from './work-turns.js';

export interface BridgeServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Undefined when none was asked for. */
  readonly adminPort: number | undefined;
  /** Names this life of the state. */
  readonly epoch: string;
  /** Which engine keeps it: `memory`, `sqlite`. */
  readonly engine: string;
  /** Rises when something that was told may not have been kept; watches are told `resync` then. */
  readonly generation: number;
  metrics(): BridgeServerMetrics;
  /** Refuses new calls and ends the watches; resolves when what was under way has ended, or after `graceMs` (default: drainMs). The port stays open. */
  drain(options?: { readonly graceMs?: number | undefined }): Promise<void>;
  /** Drains, then stops. Resolves when the ports are free. Closing twice is fine. */
  close(): Promise<void>;
}

/**
 * Resolves when it listens. @throws InvalidOptionsError; UnavailableError when the port cannot be had; EngineUnavailableError, EngineInUseError,
 * EngineFormatError and StorageFullError of its engine, the first and the last not while `waitForEngine` waits for what passes by itself
 */
export async function startBridgeServer(options?: BridgeServerOptions): Promise<BridgeServer> {
  const server = new RunningServer(parseServerOptions(options));
  await server.open();
  return server;
}

class RunningServer implements BridgeServer {
  readonly #options: ParsedServerOptions;
  readonly #context: OpenContext;
  readonly #deadlines: Deadlines;
  readonly #grpc: Server;
  readonly #health = new HealthHandler();
  #life: Life | undefined;
  #admin: AdminHttp | undefined;
  #port = 0;
  #closing: Promise<void> | undefined;

  constructor(options: ParsedServerOptions) {
    const { logger, engine } = options;
    this.#options = options;
    this.#deadlines = new Deadlines({
      slotMs: 50,
      // The listening socket keeps the process alive, a deadline never does.
      keepsProcessAlive: false,
      onError: (error) => logger.error({ error }, 'a deadline failed'),
    });
    const observers = new ObserverManager(logger, options.maxSessionPatterns);
    // By a clock that nobody sets.
    const turns = new WorkTurns({ nowMs: performanceNowMs, later: (run) => void setImmediate(run) });
    this.#context = {
      options: { ...options, epoch: '' },
      clock: systemClock,
      access: new Access(options.tokens),
      deadlines: this.#deadlines,
      store: new SessionStore({
        engine,
        deadlines: this.#deadlines,
        maxSessions: options.maxSessions,
        maxVariablesPerSession: options.maxVariablesPerSession,
        maxAtomicVariables: options.maxAtomicVariables,
        maxSessionBytes: options.maxSessionBytes,
        maxSessionMetadataBytes: options.maxSessionMetadataBytes,
        maxTotalBytes: options.maxTotalBytes,
        history: options.history,
        sessionTtlMs: options.sessionTtlMs,
        newVariableId: () => randomId('var'),
        turns,
        tell: (sessionId, changes) => observers.publishAll(sessionId, changes, systemClock.nowMs()),
        handleGeneration: (session) => this.#context.watchStreams.handleGeneration(session),
        handleEnded: (session) => this.#context.watchStreams.endSession(session),
        timestampAt: (nowMs) => systemClock.wallAtMs(nowMs),
      }),
      observers,
      linkWriters: new LinkWriters(),
      watchStreams: new WatchStreams(options.maxStreams, options.maxConnectionBytes),
      turns,
      lines: new ConnectionLines(),
      patterns: new PatternThread(),
      requests: new RequestBudget(options.maxConnectionRequestBytes, options.maxRequestBytes),
      counters: { sets: 0, updatesSent: 0, updatesConflated: 0, slowStreamsCut: 0, callsFailed: 0, callsRefused: 0 },
      keepsLater: !engine.isImmediate,
      stage: 'starting',
    };
    this.#grpc = new Server(grpcOptions(this.#context));
  }

  get host(): string {
    return this.#options.host;
  }

  get port(): number {
    return this.#port;
  }

  get adminPort(): number | undefined {
    return this.#admin?.port;
  }

  get engine(): string {
    return this.#options.engine.name;
  }

  get generation(): number {
    return this.#life?.generation ?? 0;
  }

  get epoch(): string {
    return this.#context.options.epoch;
  }

  metrics(): BridgeServerMetrics {
    return readMetrics(this.#context);
  }

  /** Resolves when it listens: everything that the engine has kept is there then. */
  async open(): Promise<void> {
    const { host, adminPort, logger, epoch, engine, waitForEngine } = this.#options;
    try {
      // What no waiting mends is said before it.
      await tryToListen(this.#options);
      if (adminPort !== undefined) {
        // Only here, so that a server without it loads no prom-client.
        const { openAdminHttp } = await import('./admin/admin-http.js');
        this.#admin = await openAdminHttp(this.#context, adminPort);
      }
      this.#life = await this.#context.store.open({
        nowMs: systemClock.nowMs,
        epoch,
        newEpoch: () => randomId('epoch'),
        logger,
        waiting: waitForEngine,
        handleHealth: (health) => this.#handleHealth(health),
        handleServers: () => this.#context.watchStreams.handleServers(),
        handleFork: (sessionId) => this.#handleFork(sessionId),
      });
      this.#context.options = Object.freeze({ ...this.#options, epoch: this.#life.epoch });
      this.#addServices();
      this.#port = await listenForCalls(this.#grpc, this.#context.options);
      this.#context.stage = 'open';
    } catch (error) {
      await this.close();
      throw error;
    }
    const { epoch: said, generation } = this;
    logger.info(
      { host, port: this.#port, adminPort: this.adminPort, epoch: said, engine: engine.name, generation },
      'listening',
    );
  }

  #handleHealth({ state, cause }: EngineHealth): void {
    const { logger, engine } = this.#options;
    const { name } = engine;
    if (state === 'ready') logger.info({ engine: name, state }, 'engine ready');
    else
      logger.warn(
        { engine: name, state, adminPort: this.adminPort, error: cause },
        `engine ${sayHealth(state, cause)}`,
      );
  }

  /** Something that was told is lost: whoever watches comes back, and is told `resync` of what it has seen of that. */
  #handleFork(sessionId: string): void {
    const { logger, engine } = this.#options;
    logger.warn({ engine: engine.name, sessionId }, 'the engine has lost what it had acknowledged');
    const { store, watchStreams } = this.#context;
    const session = store.find(sessionId);
    if (session === undefined) return;
    watchStreams.failSession(session, new UnavailableError('some of what was told is lost: resume'));
    store.beginAnew(session, systemClock.nowMs());
  }

  async drain({ graceMs = this.#options.drainMs }: { readonly graceMs?: number | undefined } = {}): Promise<void> {
    if (this.#context.stage !== 'draining') {
      this.#options.logger.info({ streams: this.#context.watchStreams.size }, 'draining');
      this.#context.stage = 'draining';
      this.#health.drain();
    }
    const { watchStreams } = this.#context;
    watchStreams.endAll(drainingError());
    await within(graceMs, watchStreams.whenNoCalls());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const startedAtMs = systemClock.nowMs();
    await this.drain();
    const leftMs = this.#options.drainMs - (systemClock.nowMs() - startedAtMs);
    const isShutDown = await within(leftMs, new Promise<void>((resolve) => this.#grpc.tryShutdown(() => resolve())));
    // Health watches and clients that do not read their last message.
    if (!isShutDown) this.#grpc.forceShutdown();
    await this.#options.engine.close();
    this.#deadlines.close();
    await this.#context.patterns.close();
    await this.#admin?.close();
    this.#options.logger.info({}, 'closed');
  }

  #addServices(): void {
    const handlers: UntypedServiceImplementation = {
      ...sessionHandlers(this.#context),
      ...variableHandlers(this.#context),
      ...readHandlers(this.#context),
      ...setHandlers(this.#context),
      ...watchHandlers(this.#context),
    };
    for (const serviceName of SERVICE_NAMES) this.#grpc.addService(serviceDefinition(serviceName), handlers);
    this.#grpc.addService(LINK_DEFINITION, linkHandlers(this.#context));
    this.#health.addTo(this.#grpc);
    addReflection(this.#grpc);
  }
}

/** Until the engine is open, nobody knows the epoch. */
interface OpenContext extends ServerContext {
  options: ServerOptions;
}

/** Bytes in and out: handlers decode by themselves, and an update is encoded once for all its streams. */
function serviceDefinition(serviceName: string): ServiceDefinition {
  const definitions = Object.values(METHODS).map(
    ({ name, isServerStream }): [string, MethodDefinition<Buffer, Uint8Array>] => [
      name,
      { ...BYTES, path: methodPath(serviceName, name), requestStream: false, responseStream: isServerStream },
    ],
  );
  return Object.fromEntries(definitions);
}

const BYTES = {
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: asBuffer,
  responseDeserialize: (bytes: Buffer) => bytes,
};

const LINK_DEFINITION: ServiceDefinition = {
  Open: { ...BYTES, path: LINK_PATH, requestStream: true, responseStream: true },
};

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function grpcOptions(context: ServerContext): GrpcServerOptions {
  return {
    // A client's streams above this wait without a word: maxStreams refuses with one.
    'grpc.max_concurrent_streams': 2 ** 31 - 1,
    'grpc.max_receive_message_length': context.options.maxMessageBytes,
    interceptors: [admissionInterceptor(context)],
    // Finds clients that are gone without having said so.
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
    // grpc.enable_channelz stays on: without it grpc-js 1.14 forgets its connections, and forceShutdown leaves them open.
  };
}
