/**
 * A connection to Redis or Valkey by `ioredis`, which is an optional peer: imported here and nowhere else. Path: redis engine -> [redis connection].
 * Nothing is sent twice by itself: whether a call may be made again is known only to whoever made it. Closed: `disconnect`.
 */
import type { Redis, RedisOptions } from 'ioredis';
import { EngineUnavailableError, InvalidOptionsError } from '../../../shared/errors.js';
import { within } from '../../within.js';
import { sayWrongProtocol } from './wrong-protocol.js';

export type RedisClient = Redis;

export interface RedisAddress {
  /** As `ioredis` takes it. */
  readonly options: RedisOptions;
  /** Before every key. */
  readonly prefix: string;
  /** Without the password, for sentences. */
  readonly shown: string;
}

/** `redis://[USER:PASSWORD@]HOST[:PORT][/PREFIX]`, `rediss://` with TLS, `unix:/PATH[?PREFIX]`. @throws InvalidOptionsError */
export function parseRedisUrl(url: string): RedisAddress {
  if (url.startsWith('unix:')) {
    const [path = '', prefix = ''] = url.slice('unix:'.length).split('?');
    return { options: { path }, prefix: prefix === '' ? '' : `${prefix}:`, shown: `unix:${path}` };
  }
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^rediss?:$/.test(parsed.protocol) || parsed.hostname === '') {
    throw new InvalidOptionsError(
      'the address of Redis is redis://[user:password@]HOST[:PORT][/PREFIX], or rediss:// for TLS',
    );
  }
  const { hostname, port, username, password, pathname, protocol } = parsed;
  const host = hostname.replace(/^\[|\]$/g, '');
  const prefix = decodeURIComponent(pathname.slice(1));
  return {
    options: {
      ...{ host, port: port === '' ? 6379 : Number(port) },
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' ? { tls: {} } : {}),
    },
    prefix: prefix === '' ? '' : `${prefix}:`,
    shown: `${protocol}//${hostname}:${port === '' ? 6379 : port}`,
  };
}

/** What the connection does once it was ready; what fails before that is thrown by `openRedisClient`. */
export interface ConnectionHost {
  /** Ms without a word, while something is asked, until it is taken for dead. */
  readonly silentMs: number;
  /** Its opening is not wanted any more. */
  readonly waiting?: AbortSignal | undefined;
  handleAway(error: Error): void;
}

/** Ready for calls. @throws EngineUnavailableError for what does not pass by itself, else what `ioredis` or the system says */
export async function openRedisClient(address: RedisAddress, host: ConnectionHost): Promise<RedisClient> {
  const client = await makeRedisClient(address, host.silentMs);
  let cause: unknown;
  const note = (error: Error): void => {
    cause ??= error;
  };
  const leave = (): void => client.disconnect();
  client.on('error', note);
  host.waiting?.addEventListener('abort', leave);
  try {
    if (host.waiting?.aborted === true || !(await within(OPEN_MS, client.connect())))
      throw new Error(`it is not ready within ${OPEN_MS} ms: it may be loading what it has kept`);
    client.on('error', (error: Error) => host.handleAway(error));
    return client;
  } catch (error) {
    client.disconnect();
    const why = cause ?? error;
    if (host.waiting?.aborted !== true) await sayWrongProtocol(address, why);
    throw why;
  } finally {
    client.off('error', note);
    host.waiting?.removeEventListener('abort', leave);
  }
}

/** Not connected yet. @throws EngineUnavailableError when `ioredis` is not installed */
async function makeRedisClient(address: RedisAddress, silentMs: number): Promise<RedisClient> {
  const { Redis } = await import('ioredis').catch((cause: unknown) => {
    throw new EngineUnavailableError('the engine for Redis needs the package ioredis: npm install ioredis@6', {
      cause,
    });
  });
  const options = {
    ...{ lazyConnect: true, connectTimeout: CONNECT_TIMEOUT_MS, keepAlive: KEEP_ALIVE_MS, noDelay: true },
    // A call that was cut off may have been made.
    ...{ autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0, enableOfflineQueue: false },
    ...{ autoResubscribe: false, enableReadyCheck: true, maxLoadingRetryTime: LOADING_RETRY_MS },
    // One that is given up may be dead: it is not asked to end first.
    ...{ retryStrategy: () => RETRY_MS, socketTimeout: silentMs, disconnectTimeout: DISCONNECT_MS },
    ...address.options,
  };
  // Its types do not know undefined options as absent ones.
  return new Redis(options as RedisOptions as never);
}

const CONNECT_TIMEOUT_MS = 2_000;
const KEEP_ALIVE_MS = 5_000;
const RETRY_MS = 50;
const DISCONNECT_MS = 100;
const LOADING_RETRY_MS = 250;
/** Whatever is the matter, it can be said by then. */
const OPEN_MS = 3_000;
