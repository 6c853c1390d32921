/** Clients of Redis or Valkey by `ioredis`, which is an optional peer: imported here and nowhere else. Path: redis connection -> [redis client]. */
import type { Redis, RedisOptions } from 'ioredis';
import { EngineUnavailableError } from '../../../../shared/errors.js';
import type { RedisAddress, RedisLogin, RedisNode, RedisPlace } from './redis-address.js';

export type RedisClient = Redis;

/** Not connected yet. `retryMsOfSentinels`: after none of them knew a primary; null ends it. @throws EngineUnavailableError when `ioredis` is not installed */
export function makeRedisClient(
  { place, login, isTls }: RedisAddress,
  silentMs: number,
  retryMsOfSentinels: () => number | null,
): Promise<RedisClient> {
  const options = {
    ...{ connectTimeout: CONNECT_TIMEOUT_MS, keepAlive: KEEP_ALIVE_MS, noDelay: true },
    // A call that was cut off may have been made.
    ...{ autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0, enableOfflineQueue: false },
    ...{ autoResubscribe: false, enableReadyCheck: true, maxLoadingRetryTime: LOADING_RETRY_MS },
    // One that is given up may be dead: it is not asked to end first.
    ...{ retryStrategy: () => RETRY_MS, socketTimeout: silentMs, disconnectTimeout: DISCONNECT_MS },
    ...loginOptions(login, isTls),
    ...placeOptions(place, isTls),
    sentinelRetryStrategy: retryMsOfSentinels,
  };
  return makeClient(options);
}

/** By which a sentinel itself is asked. Not connected yet. `retryMs`: until it connects again; undefined: never. */
export function makeSentinelClient(
  node: RedisNode,
  login: RedisLogin,
  isTls: boolean,
  retryMs?: number,
): Promise<RedisClient> {
  return makeClient({
    ...{ ...node, ...loginOptions(login, isTls), retryStrategy: () => retryMs, enableReadyCheck: false },
    ...{
      autoResubscribe: false,
      disconnectTimeout: DISCONNECT_MS,
      connectTimeout: SENTINEL_MS,
      commandTimeout: SENTINEL_MS,
      enableOfflineQueue: false,
    },
  });
}

async function makeClient(options: Record<string, unknown>): Promise<RedisClient> {
  const { Redis } = await import('ioredis').catch((cause: unknown) => {
    throw new EngineUnavailableError('the engine for Redis needs the package ioredis: npm install ioredis@6', {
      cause,
    });
  });
  // Its types do not know undefined options as absent ones.
  const client = new Redis({ lazyConnect: true, ...options } as RedisOptions as never);
  const send = client.sendCommand.bind(client);
  client.sendCommand = (command, stream) => {
    const { reject } = command;
    command.reject = (error) => reject(saidOf(error));
    return send(command, stream);
  };
  return client;
}

/** What it was asked, users' values and passwords, is not for the logs that its failure comes to; nor are options of `ioredis` that they do not know. */
function saidOf(error: Error): Error {
  delete (error as { command?: unknown }).command;
  const { name, message } = error;
  if (name === 'MaxRetriesPerRequestError') return new Error('the connection was cut off before it answered');
  return message.startsWith("Stream isn't writeable") ? new Error('it is not connected') : error;
}

function loginOptions({ username, password }: RedisLogin, isTls: boolean): RedisOptions {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(isTls ? { tls: {} } : {}),
  };
}

function placeOptions(place: RedisPlace, isTls: boolean): RedisOptions {
  switch (place.kind) {
    case 'socket':
      return { path: place.path };
    case 'node':
      return { ...place.node };
    case 'cluster':
      // Nobody connects to all of it.
      return { ...place.nodes[0]! };
    case 'sentinel': {
      const { nodes, name, sentinelLogin } = place;
      const { username, password } = sentinelLogin;
      return {
        ...{ sentinels: [...nodes], name, sentinelCommandTimeout: SENTINEL_MS },
        ...(username === undefined ? {} : { sentinelUsername: username }),
        ...(password === undefined ? {} : { sentinelPassword: password }),
        ...(isTls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
      };
    }
  }
}

export const CONNECT_TIMEOUT_MS = 2_000;
const KEEP_ALIVE_MS = 5_000;
export const RETRY_MS = 50;
const DISCONNECT_MS = 100;
const LOADING_RETRY_MS = 250;
/** One that does not answer is passed over. */
const SENTINEL_MS = 1_000;
