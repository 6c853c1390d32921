/** The admin port: /metrics for Prometheus, /healthz, /readyz, and /sessions as JSON. Closed: `close` resolves when the port is free. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { BridgeError, UnavailableError } from '../../shared/errors.js';
import type { BridgeServerMetrics } from '../bridge-server-metrics.js';
import { readMetrics } from '../bridge-server-metrics.js';
import type { EngineStats, Quantiles } from '../engine/engine.js';
import { sayHealth } from '../engine/engine.js';
import type { ServerContext } from '../server-context.js';

export interface AdminHttp {
  readonly port: number;
  close(): Promise<void>;
}

/** @throws UnavailableError when the port cannot be had */
export async function openAdminHttp(context: ServerContext, port: number): Promise<AdminHttp> {
  const { host, logger } = context.options;
  const page = new MetricsPage(context);
  const server = createServer((request, response) => {
    answer(context, page, request, response).catch((error: unknown) => {
      logger.error({ error, path: request.url }, 'an admin request failed');
      respond(response, 500, 'text/plain', 'failed: see the log of the server\n');
    });
  });
  await listen(server, host, port);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  context: ServerContext,
  page: MetricsPage,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path] = (request.url ?? '/').split('?', 1);
  if (path === '/backup' && request.method === 'POST') {
    await backup(context, response);
    return;
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    respond(response, 405, 'text/plain', 'only GET is answered\n');
    return;
  }
  switch (path) {
    case '/metrics':
      respond(response, 200, page.contentType, await page.text());
      break;
    case '/healthz':
      respond(response, 200, 'text/plain', 'ok\n');
      break;
    case '/readyz':
      answerReady(context, response);
      break;
    case '/sessions':
      respond(response, 200, 'application/json', `${JSON.stringify(sessions(context))}\n`);
      break;
    default:
      respond(response, 404, 'text/plain', 'try /metrics, /healthz, /readyz or /sessions\n');
  }
}

function answerReady({ stage, options }: ServerContext, response: ServerResponse): void {
  const { state, cause } = options.engine.health;
  if (stage === 'draining') respond(response, 503, 'text/plain', 'draining\n');
  else if (state !== 'ready') respond(response, 503, 'text/plain', `engine ${sayHealth(state, cause)}\n`);
  else if (stage === 'starting') respond(response, 503, 'text/plain', 'starting\n');
  else respond(response, 200, 'text/plain', 'ok\n');
}

/** A copy beside what the engine keeps, never elsewhere: whoever may read that folder takes it from there. */
async function backup({ options, stage }: ServerContext, response: ServerResponse): Promise<void> {
  const { engine } = options;
  if (engine.backup === undefined || stage !== 'open') {
    respond(response, 409, 'text/plain', `the ${engine.name} engine keeps nothing that could be copied\n`);
    return;
  }
  try {
    const path = await engine.backup();
    respond(
      response,
      200,
      'application/json',
      `${JSON.stringify({ path, engine: engine.name, epoch: options.epoch })}\n`,
    );
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    respond(response, 507, 'text/plain', `${error.message}\n`);
  }
}

function sessions({ store, watchStreams, options, clock }: ServerContext): object {
  const listed: object[] = [];
  for (const session of store.sessions()) {
    if (listed.length === MAX_SESSIONS) break;
    listed.push({
      id: session.id,
      variables: session.size,
      revision: session.revision,
      streams: watchStreams.streamsOf(session),
      createdAt: Math.round(clock.wallAtMs(session.createdAtMs)),
      usedAt: Math.round(clock.wallAtMs(session.usedAtMs)),
    });
  }
  return { epoch: options.epoch, total: store.size, sessions: listed };
}

/** Prometheus' view of the server's own counters, read once a scrape. */
class MetricsPage {
  readonly #context: ServerContext;
  readonly #registry = new Registry();
  readonly #gauges: readonly (readonly [keyof BridgeServerMetrics, Gauge])[];
  readonly #counters: readonly (readonly [keyof BridgeServerMetrics, Counter])[];
  readonly #primaryReady: Gauge<'primary'>;
  readonly #primaryTakeovers: Counter<'primary'>;

  constructor(context: ServerContext) {
    this.#context = context;
    const registers = [this.#registry];
    this.#gauges = GAUGES.map(([name, key, help]) => [key, new Gauge({ name, help, registers })]);
    this.#counters = COUNTERS.map(([name, key, help]) => [key, new Counter({ name, help, registers })]);
    const labelNames = ['primary'];
    this.#primaryReady = new Gauge({
      ...{ name: 'bridged_state_engine_primary_ready', labelNames, registers },
      help: 'Of a cluster of Redis: 1 while this primary answers',
    });
    this.#primaryTakeovers = new Counter({
      ...{ name: 'bridged_state_engine_primary_takeovers_total', labelNames, registers },
      help: 'Of a cluster of Redis: times that this primary was found to be another for a bucket',
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    const metrics = readMetrics(this.#context);
    for (const [key, gauge] of this.#gauges) gauge.set(metrics[key]);
    for (const [key, counter] of this.#counters) {
      counter.reset();
      counter.inc(metrics[key]);
    }
    this.#setPrimaries();
    this.#addHistograms();
    return this.#registry.metrics();
  }

  /** Those that are there now. */
  #setPrimaries(): void {
    this.#primaryReady.reset();
    this.#primaryTakeovers.reset();
    for (const { name, isReady, takeovers } of this.#context.options.engine.stats.shared?.primaries ?? []) {
      this.#primaryReady.set({ primary: name }, Number(isReady));
      this.#primaryTakeovers.inc({ primary: name }, takeovers);
    }
  }

  /** What an engine does not measure has none, and what it measures it says once it is open. */
  #addHistograms(): void {
    const { engine } = this.#context.options;
    for (const [name, read, help] of HISTOGRAMS) {
      if (this.#registry.getSingleMetric(name) !== undefined || read(engine.stats) === undefined) continue;
      this.#registry.registerMetric(new CountedHistogram(name, help, () => read(engine.stats)));
    }
  }
}

/** A histogram of what was put into buckets elsewhere; prom-client's own wants to see each value. */
class CountedHistogram extends Gauge {
  readonly #name: string;
  readonly #empty: Histogram;
  readonly #read: () => Quantiles | undefined;

  constructor(name: string, help: string, read: () => Quantiles | undefined) {
    super({ name, help, registers: [] });
    this.#name = name;
    this.#empty = new Histogram({ name, help, registers: [] });
    this.#read = read;
  }

  override async get() {
    const { atMost, sum, count } = this.#read() ?? { atMost: [], sum: 0, count: 0 };
    const buckets = [...atMost.map((bucket) => ({ le: bucket.ms, value: bucket.count })), { le: '+Inf', value: count }];
    const values = [
      ...buckets.map(({ le, value }) => ({ metricName: `${this.#name}_bucket`, labels: { le }, value })),
      { metricName: `${this.#name}_sum`, labels: {}, value: sum },
      { metricName: `${this.#name}_count`, labels: {}, value: count },
    ];
    return { ...(await this.#empty.get()), values };
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const sentence = `the admin port ${host}:${port} cannot be had (${cause.message}): give another one (0 picks one)`;
      reject(new UnavailableError(sentence, { cause }));
    });
    server.listen(port, host, () => resolve());
  });
}

function respond(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
  response.end(body);
}

type Metric = readonly [name: string, key: keyof BridgeServerMetrics, help: string];

const GAUGES: readonly Metric[] = [
  ['bridged_state_sessions', 'sessions', 'Sessions held'],
  ['bridged_state_variables', 'variables', 'Variables of all sessions'],
  ['bridged_state_observers', 'observers', 'Pairs of stream and variable, and names and patterns that wait'],
  ['bridged_state_streams', 'streams', 'Watches carried by streams and links'],
  ['bridged_state_links', 'links', 'Links open'],
  ['bridged_state_held_bytes', 'heldBytes', 'Bytes that sessions hold, by estimate'],
  ['bridged_state_engine_ready', 'engineReady', 'Whether the engine takes sets'],
  ['bridged_state_engine_waiting', 'engineWaiting', 'Groups of sets that are not kept yet'],
  ['bridged_state_engine_bytes', 'engineBytes', 'Bytes of the files of the engine'],
  ['bridged_state_engine_journal_changes', 'engineJournalChanges', 'Changes that a start would read again'],
  [
    'bridged_state_engine_commit_ms_p50',
    'engineCommitMsP50',
    'From a set to kept, ms, median of the last 1,024 transactions',
  ],
  ['bridged_state_engine_commit_ms_p99', 'engineCommitMsP99', 'The same, p99'],
  [
    'bridged_state_engine_sync_ms_p50',
    'engineSyncMsP50',
    'Writing and syncing of a transaction, ms, median of the last 1,024',
  ],
  ['bridged_state_engine_sync_ms_p99', 'engineSyncMsP99', 'The same, p99'],
  ['bridged_state_engine_away_ms', 'engineAwayMs', 'Ms since the engine was last ready, 0 while it is'],
  [
    'bridged_state_engine_tail_ms_p50',
    'engineTailMsP50',
    'From what an engine that servers share answered to known here by its log, ms, median of the last 1,024',
  ],
  ['bridged_state_engine_tail_ms_p99', 'engineTailMsP99', 'The same, p99'],
  [
    'bridged_state_engine_tail_revisions',
    'engineTailRevisions',
    'Revisions that were answered and that the log has not brought yet, of the session that is furthest behind',
  ],
  ['bridged_state_engine_primaries_away', 'enginePrimariesAway', 'Primaries of a cluster of Redis that do not answer'],
  ['bridged_state_request_bytes', 'requestBytes', 'Bytes of requests that are not whole or not answered'],
];

const COUNTERS: readonly Metric[] = [
  ['bridged_state_sets_total', 'setsTotal', 'Variables that were set'],
  ['bridged_state_updates_published_total', 'updatesPublished', 'Changes committed'],
  ['bridged_state_updates_sent_total', 'updatesSent', 'Updates given to streams'],
  ['bridged_state_updates_conflated_total', 'updatesConflated', 'Updates that slow streams did not get'],
  ['bridged_state_slow_streams_cut_total', 'slowStreamsCut', 'Streams cut because they took no update'],
  ['bridged_state_observers_failed_total', 'observersFailed', 'Observers that threw'],
  ['bridged_state_calls_failed_total', 'callsFailed', 'Calls that ended with a status other than OK'],
  ['bridged_state_engine_transactions_total', 'engineTransactions', 'Transactions of the engine'],
  ['bridged_state_engine_changes_total', 'engineChanges', 'Changes that the engine has kept'],
  ['bridged_state_engine_fenced_total', 'engineFenced', 'Calls meant for a primary that is none any more'],
  ['bridged_state_engine_takeovers_total', 'engineTakeovers', 'Times that another primary was found'],
  ['bridged_state_engine_forks_total', 'engineForks', 'Sessions of which something was lost that had been told'],
  ['bridged_state_engine_mends_total', 'engineMends', 'Sessions whose keys were damaged and made good'],
  ['bridged_state_engine_window_hits_total', 'engineWindowHits', 'Sets sent again that had been made'],
  ['bridged_state_calls_refused_total', 'callsRefused', 'Calls that a quota or budget refused'],
];

const HISTOGRAMS: readonly (readonly [
  name: string,
  read: (stats: EngineStats) => Quantiles | undefined,
  help: string,
])[] = [
  ['bridged_state_engine_commit_ms', ({ commitMs }) => commitMs, 'From a set to kept, ms'],
  ['bridged_state_engine_sync_ms', ({ syncMs }) => syncMs, 'Writing and syncing of a transaction, ms'],
  [
    'bridged_state_engine_tail_ms',
    ({ shared }) => shared?.tailMs,
    'From what an engine that servers share answered to known here by its log, ms',
  ],
];

/** Answered at once; a server with more says how many by `total`. */
const MAX_SESSIONS = 10_000;
