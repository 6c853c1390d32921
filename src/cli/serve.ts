/**
 * `serve`: the bridge server as a process. Prints one JSON line when it accepts; its log goes to stderr as JSON lines.
 * An engine that is away is waited for, with one warning. SIGTERM and SIGINT drain it: it takes no new call, tells its clients, finishes what is under way,
 * and ends; or they end the wait. A second one ends it at once.
 */
import type { BridgeServer, BridgeServerOptions, TokenOption } from '../server/index.js';
import { type EngineCommandOptions, engineOf } from './engine-option.js';
import type { TlsOptions } from './option-files.js';
import { readOptionFile, readTls } from './option-files.js';
import type { Output } from './output.js';
import { ServeLog } from './serve-log.js';
import { nextStop } from './stop-signals.js';
import { parseTokenFile } from './token-file.js';
import { UsageError } from './usage-error.js';

export interface ServeCommandOptions extends TlsOptions, EngineCommandOptions {
  readonly host: string;
  readonly port: number;
  readonly adminPort?: number;
  readonly heartbeatMs?: number;
  readonly logLevel: string;
  readonly token?: readonly string[];
  /** Path of the file with the tokens. */
  readonly tokens?: string;
  /** It was started with an IPC channel, and ends when the other end of it is gone. */
  readonly withParent?: boolean;
}

export async function serve(options: ServeCommandOptions, output: Output): Promise<void> {
  const { host, port, adminPort, heartbeatMs, logLevel } = options;
  const tokens = await tokensOf(options);
  const tls = await certificatesOf(options);
  const engine = await engineOf(options);
  // While it reads what it has kept; and no engine that is not asked for.
  const { startBridgeServer } = await import('../server/bridge-server.js');
  const stop = nextStop({ withParent: options.withParent === true });
  const logger = new ServeLog(logLevel);
  const start = (waitForEngine: AbortSignal) =>
    startBridgeServer({ host, port, adminPort, heartbeatMs, tokens, tls, logger, engine, waitForEngine });
  const server = await startUnlessStopped(stop, start).catch(async (error: unknown) => {
    // `engineOf` has begun it.
    await engine?.close();
    throw error;
  });
  if (server !== undefined) {
    sayListening(server, output);
    logger.release();
    await stop;
    await server.close();
  }
  if (process.connected) process.disconnect();
}

/** Undefined: it was stopped while it waited for its engine. */
async function startUnlessStopped(
  stop: Promise<void>,
  start: (waitForEngine: AbortSignal) => Promise<BridgeServer>,
): Promise<BridgeServer | undefined> {
  const waiting = new AbortController();
  const { signal } = waiting;
  void stop.then(() => waiting.abort());
  try {
    return await start(signal);
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

function sayListening(server: BridgeServer, output: Output): void {
  output.line(
    JSON.stringify({
      event: 'listening',
      host: server.host,
      port: server.port,
      adminPort: server.adminPort ?? null,
      epoch: server.epoch,
      engine: server.engine,
      generation: server.generation,
    }),
  );
}

/** Those of the options and of the file together. @throws UsageError */
async function tokensOf({ token, tokens: file }: ServeCommandOptions): Promise<TokenOption[] | undefined> {
  if (file === undefined) return token === undefined ? undefined : [...token];
  return [...(token ?? []), ...parseTokenFile(await readOptionFile('--tokens', file), file)];
}

/** @throws UsageError */
async function certificatesOf(options: ServeCommandOptions): Promise<BridgeServerOptions['tls']> {
  const texts = await readTls(options);
  if (texts === undefined) return undefined;
  const { cert, key, ca } = texts;
  if (cert === undefined || key === undefined)
    throw new UsageError('--tls-ca needs --tls-cert and --tls-key: give all');
  return { cert, key, ca };
}
