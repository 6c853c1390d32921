/**
 * A connection to Redis or Valkey by `ioredis`, which is an optional peer: imported here and nowhere else. Path: redis engine -> [redis connection].
 * Nothing is sent twice by itself: whether a call may be made again is known only to whoever made it. Closed: `disconnect`.
 */
import type { Redis, RedisOptions } from 'ioredis';
import { EngineUnavailableError, InvalidOptionsError } from '../../../shared/errors.js';

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

/** Not connected yet. @throws EngineUnavailableError when `ioredis` is not installed */
export async function makeRedisClient(address: RedisAddress, onError: (error: Error) => void): Promise<RedisClient> {
  const { Redis } = await import('ioredis').catch((cause: unknown) => {
    throw new EngineUnavailableError('the engine for Redis needs the package ioredis: npm install ioredis@6', {
      cause,
    });
  });
  const options = {
    ...{ lazyConnect: true, connectTimeout: CONNECT_TIMEOUT_MS, keepAlive: KEEP_ALIVE_MS, noDelay: true },
    // A call that was cut off may have been made.
    ...{ autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0, enableOfflineQueue: false },
    ...{ autoResubscribe: false, enableReadyCheck: true, retryStrategy: () => RETRY_MS },
    ...address.options,
  };
  // Its types do not know undefined options as absent ones.
  const client = new Redis(options as RedisOptions as never);
  client.on('error', onError);
  return client;
}

const CONNECT_TIMEOUT_MS = 2_000;
const KEEP_ALIVE_MS = 5_000;
const RETRY_MS = 50;
